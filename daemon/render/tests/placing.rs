//! Images in kustomizations and fields: what stands there, and what a file becomes.

use plumb_core::{
    commit::RepoPath,
    trigger::{
        image::{Image, ImageName, ImageRef},
        place::{FieldPath, Form, Place},
    },
};
use plumb_render::placing::{PlacingError, put, stands};

const NAME: &str = "r.io/shop/cart";

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn image(reference: &str) -> Image {
    let ImageRef { name, tag, digest } = ImageRef::parse(reference).expect("a reference");
    Image { name, tag, digest: digest.expect("a digest") }
}

fn file() -> RepoPath {
    RepoPath::parse("env/kustomization.yaml").expect("a path")
}

fn place(name: &str) -> Place {
    let directory = RepoPath::parse("env").expect("a path");
    Place::Kustomize { directory, image: ImageName::parse(name).expect("a name") }
}

fn placed(before: &str, name: &str) -> Result<String, PlacingError> {
    let image = image(&format!("{NAME}:v2@{}", digest('b')));
    let after = put(&file(), before.as_bytes(), &place(name), &image)?;
    assert_eq!(put(&file(), &after, &place(name), &image).as_ref(), Ok(&after), "a second time");
    let expected = place(name).value(&image).expect("a value");
    assert_eq!(stands(&file(), &after, &place(name)), Ok(Some(expected)));
    Ok(String::from_utf8(after).expect("text"))
}

/// `A` stands for the old digest, `B` for the new one.
#[track_caller]
fn check(name: &str, before: &str, after: &str) {
    let filled = |text: &str| text.replace('A', &digest('a')).replace('B', &digest('b'));
    let found = placed(&filled(before), name).unwrap_or_else(|error| panic!("{before}\n{error}"));
    assert_eq!(found, filled(after));
}

#[track_caller]
fn refuse(name: &str, before: &str, words: &[&str]) {
    let error = placed(&before.replace('A', &digest('a')), name).expect_err("refused").to_string();
    assert!(error.contains("env/kustomization.yaml") && words.iter().all(|words| error.contains(words)), "{error}");
}

#[test]
fn an_entry_gets_the_digest_and_loses_the_tag() {
    check(
        NAME,
        "images:\n- name: r.io/shop/cart # c\n  digest: A # d\n",
        "images:\n- name: r.io/shop/cart # c\n  digest: B # d\n",
    );
    check(
        NAME,
        "images:\n- name: r.io/shop/cart\n  newTag: v1 # d\n",
        "images:\n- name: r.io/shop/cart\n  digest: B # d\n",
    );
    check(
        NAME,
        "images:\n- newTag: \"1\"\n  name: 'r.io/shop/cart'\n",
        "images:\n- digest: \"B\"\n  name: 'r.io/shop/cart'\n",
    );
    check(
        NAME,
        "images:\n- name: r.io/shop/cart\n  newTag: v1\n  digest: A\nx: 1\n",
        "images:\n- name: r.io/shop/cart\n  digest: B\nx: 1\n",
    );
    check(
        NAME,
        "images:\n- name: r.io/shop/cart\n  digest: A\n  newTag: v1 # t\n",
        "images:\n- name: r.io/shop/cart\n  digest: B\n",
    );
    check(NAME, "images:\n- name: r.io/shop/cart\n", "images:\n- name: r.io/shop/cart\n  digest: B\n");
    check(NAME, "images: [{name: r.io/shop/cart, newTag: v1}]\n", "images: [{name: r.io/shop/cart, digest: B}]\n");
    check(
        NAME,
        "images: [{name: r.io/shop/cart, newTag: v1, digest: A}]\n",
        "images: [{name: r.io/shop/cart, digest: B}]\n",
    );
    check(
        NAME,
        "images: [{newTag: v1, name: r.io/shop/cart, digest: A}]\n",
        "images: [{name: r.io/shop/cart, digest: B}]\n",
    );
    check(NAME, "images: [{name: r.io/shop/cart}]\n", "images: [{name: r.io/shop/cart, digest: B}]\n");
    let others = "# top\nimages:\n  - name: a\n    newTag: v1\n  - name: r.io/shop/cart\n    digest: A\n  - name: r.io/shop/cart2\n    digest: A\n";
    check(NAME, others, &others.replacen("cart\n    digest: A", "cart\n    digest: B", 1));
    check(
        NAME,
        "images:\r\n- name: r.io/shop/cart\r\n  newTag: v1\r\n  digest: A\r\n",
        "images:\r\n- name: r.io/shop/cart\r\n  digest: B\r\n",
    );
}

#[test]
fn another_name_is_written_where_the_image_is_pushed_elsewhere() {
    check(
        "cart",
        "images:\n- name: cart\n  newTag: v1\n",
        "images:\n- name: cart\n  digest: B\n  newName: r.io/shop/cart\n",
    );
    check(
        "cart",
        "images:\n- name: cart\n  newName: old/cart\n  digest: A\n",
        "images:\n- name: cart\n  newName: r.io/shop/cart\n  digest: B\n",
    );
    check(
        "cart",
        "images:\n- name: cart\n  newName: r.io/shop/cart\n  digest: A\n",
        "images:\n- name: cart\n  newName: r.io/shop/cart\n  digest: B\n",
    );
    check(
        NAME,
        "images:\n- name: r.io/shop/cart\n  newName: mirror/cart\n",
        "images:\n- name: r.io/shop/cart\n  newName: r.io/shop/cart\n  digest: B\n",
    );
    check("cart", "images:\n- name: cart\n", "images:\n- name: cart\n  newName: r.io/shop/cart\n  digest: B\n");
}

#[test]
fn a_missing_entry_is_added_in_the_style_of_the_file() {
    let entry = "- name: r.io/shop/cart\n  digest: B\n";
    let deeper = "  - name: r.io/shop/cart\n    digest: B\n";
    check(NAME, "resources:\n- a.yaml\n", &format!("resources:\n- a.yaml\nimages:\n{entry}"));
    check(NAME, "resources:\n  - a.yaml\n", &format!("resources:\n  - a.yaml\nimages:\n{deeper}"));
    check(
        NAME,
        "images:\n- name: a\n  newTag: v1 # x\n# end\n",
        &format!("images:\n- name: a\n  newTag: v1 # x\n{entry}# end\n"),
    );
    check(NAME, "images:\n  - name: a\nx: y\n", &format!("images:\n  - name: a\n{deeper}x: y\n"));
    check(NAME, "images: []\n", "images: [{name: r.io/shop/cart, digest: B}]\n");
    check(NAME, "images: [{name: a}]\n", "images: [{name: a}, {name: r.io/shop/cart, digest: B}]\n");
    check(NAME, "images:\nresources:\n  - a\n", &format!("images:\n{deeper}resources:\n  - a\n"));
    check(NAME, "kind: Kustomization", "kind: Kustomization\nimages:\n- name: r.io/shop/cart\n  digest: B");
    check("cart", "a: b\n", "a: b\nimages:\n- name: cart\n  newName: r.io/shop/cart\n  digest: B\n");
    check(
        NAME,
        "{\"kind\": \"Kustomization\"}\n",
        "{\"kind\": \"Kustomization\", \"images\": [{\"name\": \"r.io/shop/cart\", \"digest\": \"B\"}]}\n",
    );
    check(NAME, "a: b\r\n", "a: b\r\nimages:\r\n- name: r.io/shop/cart\r\n  digest: B\r\n");
}

#[test]
fn what_can_not_be_changed_alone_is_refused() {
    refuse(NAME, "images:\n- name: r.io/shop/cart\n- name: r.io/shop/cart\n", &["two entries"]);
    refuse(NAME, "images: x\n", &["write images as a list"]);
    refuse(NAME, "images: ~\n", &["images: []"]);
    refuse(NAME, "- a\n", &["is no kustomization"]);
    refuse(NAME, "a: &x\n- name: r.io/shop/cart\n  digest: A\nimages: *x\n", &["alias"]);
    refuse(NAME, "images: &x\n- name: r.io/shop/cart\n  digest: A\nb: *x\n", &["anchor"]);
    refuse(NAME, "images:\n- name: r.io/shop/cart\n  digest: &d A\nb: *d\n", &["anchor"]);
    refuse(NAME, "images:\n- name: r.io/shop/cart\n  digest: |\n    A\n", &["block"]);
    refuse(NAME, "", &["holds nothing"]);
    refuse(NAME, "a: 1\n---\nb: 1\n", &["second document"]);
}

#[test]
fn what_stands_is_what_kustomize_makes_of_it() {
    let check = |text: &str, expected: Option<&str>| {
        let text = text.replace('A', &digest('a'));
        let expected = expected.map(|expected| expected.replace('A', &digest('a')));
        assert_eq!(stands(&file(), text.as_bytes(), &place(NAME)), Ok(expected), "{text}");
    };
    check("a: b\n", None);
    check("images:\n", None);
    check("images:\n- name: other\n", None);
    check("images:\n- name: r.io/shop/cart\n", Some("r.io/shop/cart"));
    check("images:\n- name: r.io/shop/cart\n  newTag: v1\n", Some("r.io/shop/cart:v1"));
    check("images:\n- name: r.io/shop/cart\n  newTag: v1\n  digest: A\n", Some("r.io/shop/cart@A"));
    check("images:\n- name: r.io/shop/cart\n  newName: x/y\n  digest: A\n", Some("x/y@A"));
}

#[test]
fn fields_take_what_their_form_says() {
    let text = "image:\n  repository: r.io/shop/cart\n  tag: v1 # t\n  digest: A\n  full: r.io/shop/cart:v1\n"
        .replace('A', &digest('a'));
    let image = image(&format!("{NAME}:v2@{}", digest('b')));
    let values = RepoPath::parse("values.yaml").expect("a path");
    for (path, form, after) in [
        ("image.tag", Form::Tag, text.replace("tag: v1", "tag: v2")),
        ("image.digest", Form::Digest, text.replace(&digest('a'), &digest('b'))),
        ("image.full", Form::Reference, text.replace("cart:v1", &format!("cart@{}", digest('b')))),
    ] {
        let place =
            Place::Field { file: values.clone(), document: None, path: FieldPath::parse(path).expect("a path"), form };
        let found = put(&values, text.as_bytes(), &place, &image).expect("an edit");
        assert_eq!(String::from_utf8_lossy(&found), after);
        assert_eq!(stands(&values, &found, &place), Ok(Some(place.value(&image).expect("a value"))));
    }
}
