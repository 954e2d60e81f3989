//! plumb writes images back while a person goes on pushing: nothing of hers is lost, and every image is put in once.

use super::*;

/// Images, each of which is a race.
const ROUNDS: u32 = 100;

/// When and what Ann pushes.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Between plumb's look and its push, another file.
    InBetween,
    /// Between plumb's look and its push, the same file.
    SameFile,
    /// Whenever she gets to it.
    Meanwhile,
}

impl Bench {
    /// Ann pushes, and begins anew where another was faster.
    fn hers(&self, round: u32, moment: Moment) {
        let name = format!("other/{round}");
        self.ann.git(&["pull", "--quiet", "--rebase", "origin", "main"]).expect("no conflict");
        let path = self.ann.path().join(KUSTOMIZATION);
        let text = std::fs::read_to_string(path).expect("the file");
        let commented = format!("# hers {round}\n{text}");
        let files = match moment {
            Moment::SameFile => vec![(name.as_str(), "hers\n"), (KUSTOMIZATION, commented.as_str())],
            Moment::InBetween | Moment::Meanwhile => vec![(name.as_str(), "hers\n")],
        };
        self.ann.commit(&files, &format!("Ann's {round}")).expect("a commit");
        while self.ann.push().is_err() {
            self.ann.git(&["pull", "--quiet", "--rebase", "origin", "main"]).expect("no conflict");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_races_with_a_person_lose_nothing_and_write_each_image_once() {
    let bench = Bench::new();
    let mut raced = 0;
    for round in 1..=ROUNDS {
        let moment = [Moment::InBetween, Moment::Meanwhile, Moment::SameFile][usize::try_from(round % 3).expect("few")];
        let (component, place) = if round % 2 == 0 { ("cart", cart()) } else { ("web", web()) };
        let pushes = Mutex::new(0);
        let before = || {
            let mut pushes = pushes.lock().expect("a lock");
            *pushes += 1;
            if *pushes == 1 && !matches!(moment, Moment::Meanwhile) {
                bench.hers(round, moment);
            }
            Fate::Made
        };
        let desk = bench.desk(before);
        let wants = vec![want(component, round, place)];
        let became = std::thread::scope(|scope| {
            let hers = matches!(moment, Moment::Meanwhile).then(|| scope.spawn(|| bench.hers(round, moment)));
            let runtime = tokio::runtime::Handle::current();
            let became = tokio::task::block_in_place(|| runtime.block_on(desk.write(&main(), wants)));
            hers.into_iter().for_each(|hers| hers.join().expect("her push"));
            became.expect("an answer")
        });
        drop(desk);
        assert!(matches!(became.as_slice(), [Became::Written(_)]), "{round}: {became:?}");
        raced += *pushes.lock().expect("a lock") - 1;
    }
    // Two of three were sure to be races.
    assert!(raced >= ROUNDS * 2 / 3 - 1, "only {raced} of {ROUNDS} were races");
    let subjects = bench.log("%an %s");
    let runs = bench.log("%(trailers:key=Plumb-Run,valueonly,separator=%x20)");
    for round in 1..=ROUNDS {
        let hers = format!("Ann Ann's {round}");
        assert_eq!(subjects.iter().filter(|line| **line == hers).count(), 1, "{round}");
        let component = if round % 2 == 0 { "cart" } else { "web" };
        let run = format!("shop/build-{component}-{round}");
        assert_eq!(runs.iter().filter(|line| **line == run).count(), 1, "{round}");
        assert_eq!(bench.file("main", &format!("other/{round}")), "hers");
    }
    let kustomization = bench.file("main", KUSTOMIZATION);
    assert!(
        kustomization.ends_with(&format!("- name: r.io/shop/cart # cart\n  digest: {}", digest(ROUNDS))),
        "{kustomization}"
    );
    assert_eq!(kustomization.matches("# hers").count(), usize::try_from(ROUNDS / 3).expect("few"));
    assert_eq!(bench.file("main", "env/values.yaml"), VALUES.replace("none", &digest(ROUNDS - 1)).trim_end());
    bench.bare.git(&["fsck", "--full", "--strict", "--connectivity-only"]).expect("a sound repository");
}
