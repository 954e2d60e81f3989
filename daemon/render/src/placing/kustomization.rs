//! The entries of `images` in the file of kustomize (kubernetes-sigs/kustomize, `api/types/image.go`).

use plumb_core::{
    commit::RepoPath,
    trigger::image::{Image, ImageName},
};
use serde_json::{Map, Value, json};

use crate::edit::{
    EditError, Entry, Kind, Node, Sketch, checked,
    sheet::{Sheet, Splice},
    unshared,
};

const IMAGES: &str = "images";
const NAME: &str = "name";
const NEW_NAME: &str = "newName";
const NEW_TAG: &str = "newTag";
const DIGEST: &str = "digest";

/// Returns the image that kustomize puts in the place of one of this name.
pub(super) fn stands(file: &RepoPath, bytes: &[u8], name: &ImageName) -> Result<Option<String>, EditError> {
    let sheet = Sheet::open(file, bytes)?;
    let (sketch, index) = sheet.document(None)?;
    let Some(entry) = entry_of(&sheet, sketch, index, name)? else { return Ok(None) };
    let field = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let base = field(NEW_NAME).unwrap_or(name.as_str());
    Ok(Some(match (field(DIGEST), field(NEW_TAG)) {
        (Some(digest), _) => format!("{base}@{digest}"),
        (None, Some(tag)) => format!("{base}:{tag}"),
        (None, None) => base.to_owned(),
    }))
}

/// Returns the file with an image in the place of one of this name.
pub(super) fn put(file: &RepoPath, bytes: &[u8], name: &ImageName, image: &Image) -> Result<Vec<u8>, EditError> {
    let sheet = Sheet::open(file, bytes)?;
    let (sketch, index) = sheet.document(None)?;
    let before = entry_of(&sheet, sketch, index, name)?;
    let expected = expected(&sheet.documents[index].value, name, image);
    if expected == sheet.documents[index].value {
        return Ok(bytes.to_vec());
    }
    let splices = match (images(&sketch.root), before) {
        (Some(images), Some(_)) => change(&sheet, sketch, images, name, image)?,
        (images, _) => vec![add(&sheet, sketch, images, name, image)?],
    };
    checked(&sheet, index, &expected, splices)
}

/// Returns the entry for an image, if there is one.
fn entry_of<'v>(
    sheet: &'v Sheet<'_>,
    sketch: &Sketch,
    index: usize,
    name: &ImageName,
) -> Result<Option<&'v Map<String, Value>>, EditError> {
    let at = images(&sketch.root).map_or(sketch.root.at, |entry| entry.value.at);
    let root = &sheet.documents[index].value;
    let Some(root) = root.as_object() else {
        return Err(sheet.refused(at, "is no kustomization", "write a mapping there, as kustomize reads it"));
    };
    let list = match root.get(IMAGES) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(sheet.refused(at, "is no list", "write images as a list, as kustomize reads it")),
    };
    let fits = |entry: &&Map<String, Value>| entry.get(NAME).and_then(Value::as_str) == Some(name.as_str());
    let mut fitting = list.iter().filter_map(Value::as_object).filter(fits);
    match (fitting.next(), fitting.next()) {
        (found, None) => Ok(found),
        (_, Some(_)) => {
            let what = format!("has two entries for the image {name}");
            Err(sheet.refused(at, &what, "remove one of them"))
        }
    }
}

/// Returns what the document says then.
fn expected(before: &Value, name: &ImageName, image: &Image) -> Value {
    let mut after = before.clone();
    let Some(root) = after.as_object_mut() else { return after };
    let list = root.entry(IMAGES).or_insert(Value::Null);
    if list.is_null() {
        *list = json!([]);
    }
    let Some(list) = list.as_array_mut() else { return after };
    let fits = |entry: &Value| entry.get(NAME).and_then(Value::as_str) == Some(name.as_str());
    if !list.iter().any(fits) {
        list.push(json!({NAME: name.as_str()}));
    }
    let entry = list.iter_mut().find(|entry| fits(entry)).and_then(Value::as_object_mut);
    if let Some(entry) = entry {
        if entry.contains_key(NEW_NAME) || image.name != *name {
            entry.insert(NEW_NAME.to_owned(), json!(image.name.as_str()));
        }
        entry.remove(NEW_TAG);
        entry.insert(DIGEST.to_owned(), json!(image.digest.as_str()));
    }
    after
}

/// Returns the field `images`.
fn images(root: &Node) -> Option<&Entry> {
    let Kind::Mapping { entries, .. } = &root.kind else { return None };
    entries.iter().find(|entry| entry.name == IMAGES)
}

/// Changes the entry that is there.
fn change(
    sheet: &Sheet<'_>,
    sketch: &Sketch,
    images: &Entry,
    name: &ImageName,
    image: &Image,
) -> Result<Vec<Splice>, EditError> {
    let aliased = || sheet.refused(images.value.at, "is written with an alias", "write the entry itself there");
    let Kind::Sequence { elements, .. } = &images.value.kind else { return Err(aliased()) };
    let entry =
        elements.iter().find(|element| field(element, NAME).is_some_and(|(_, found)| is(&found.value, name.as_str())));
    let Some(entry) = entry else { return Err(aliased()) };
    unshared(sheet, sketch, &[&sketch.root, &images.value, entry])?;
    let mut splices = Vec::new();
    let mut new = Vec::new();
    let mut set = |key: &str, text: &str, splices: &mut Vec<Splice>| match field(entry, key) {
        Some((_, found)) if is(&found.value, text) => Ok(()),
        Some((_, found)) => {
            unshared(sheet, sketch, &[&found.value])?;
            splices.push(sheet.replaced(&found.value, Some(found), text)?);
            Ok(())
        }
        None => {
            new.push(sheet.pair(key, text));
            Ok(())
        }
    };
    if field(entry, NEW_NAME).is_some() || image.name != *name {
        set(NEW_NAME, image.name.as_str(), &mut splices)?;
    }
    let digest = image.digest.as_str();
    match (field(entry, NEW_TAG), field(entry, DIGEST)) {
        (None, _) => set(DIGEST, digest, &mut splices)?,
        // In the place of the tag, with whatever stands around it.
        (Some((_, tag)), None) => {
            unshared(sheet, sketch, &[&tag.value])?;
            splices.push(sheet.replaced(&tag.key, None, DIGEST)?);
            splices.push(sheet.replaced(&tag.value, Some(tag), digest)?);
        }
        (Some((index, _)), Some(_)) => {
            set(DIGEST, digest, &mut splices)?;
            splices.push(sheet.removed(entry, index)?);
        }
    }
    if !new.is_empty() {
        splices.push(sheet.added(entry, &new)?);
    }
    Ok(splices)
}

/// Adds an entry, and the field `images` where there is none.
fn add(
    sheet: &Sheet<'_>,
    sketch: &Sketch,
    images: Option<&Entry>,
    name: &ImageName,
    image: &Image,
) -> Result<Splice, EditError> {
    let mut pairs = vec![sheet.pair(NAME, name.as_str())];
    if image.name != *name {
        pairs.push(sheet.pair(NEW_NAME, image.name.as_str()));
    }
    pairs.push(sheet.pair(DIGEST, image.digest.as_str()));
    let flow = format!("{{{}}}", pairs.join(", "));
    let block: Vec<String> =
        pairs.iter().enumerate().map(|(n, pair)| format!("{} {pair}", if n == 0 { "-" } else { " " })).collect();
    let root = &sketch.root;
    match images {
        Some(Entry { value, .. }) if matches!(value.kind, Kind::Sequence { .. }) => {
            unshared(sheet, sketch, &[root, value])?;
            sheet.appended(value, &block, &flow)
        }
        Some(entry) => match (&entry.value.kind, sheet.colon(entry)) {
            (Kind::Scalar { text, .. }, Some(colon)) if text.is_empty() && !sheet.json => {
                let column = entry.key.at.column + indent(sheet, root);
                sheet.below(colon, column, &block, entry.key.at)
            }
            _ => {
                let remedy = "write images: [] there, or an entry";
                Err(sheet.refused(entry.value.at, "is no list that can be added to", remedy))
            }
        },
        None if matches!(root.kind, Kind::Mapping { flow: true, .. }) => {
            let key = if sheet.json { format!("\"{IMAGES}\"") } else { IMAGES.to_owned() };
            sheet.added(root, &[format!("{key}: [{flow}]")])
        }
        None => {
            let indent = " ".repeat(usize::try_from(indent(sheet, root)).unwrap_or_default());
            let mut lines = vec![format!("{IMAGES}:")];
            lines.extend(block.iter().map(|line| format!("{indent}{line}")));
            sheet.added(root, &lines)
        }
    }
}

/// Returns how far the lists of a file are indented below their keys.
fn indent(sheet: &Sheet<'_>, root: &Node) -> u32 {
    let Kind::Mapping { entries, .. } = &root.kind else { return 0 };
    let deeper = |entry: &Entry| Some(sheet.dash(&entry.value)?.saturating_sub(entry.key.at.column));
    entries.iter().find_map(deeper).unwrap_or_default()
}

fn field<'n>(entry: &'n Node, key: &str) -> Option<(usize, &'n Entry)> {
    let Kind::Mapping { entries, .. } = &entry.kind else { return None };
    entries.iter().enumerate().find(|(_, entry)| entry.name == key)
}

fn is(node: &Node, wanted: &str) -> bool {
    matches!(&node.kind, Kind::Scalar { text, .. } if text == wanted)
}
