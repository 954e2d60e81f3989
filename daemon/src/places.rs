//! Places in Git for what the API server says about a field: the file is read again, since it is rarely needed.

use plumb_git::mirror::Mirror;
use plumb_render::position;

use crate::{act::Deeds, gather::Gathered, reconcile::Pass};

/// Gives the failures of single fields the file and line of the field, in place of those of the object.
pub(crate) async fn locate(pass: &mut Pass, gathered: &Gathered, deeds: &Deeds) {
    if deeds.fields.is_empty() {
        return;
    }
    let Ok(source) = pass.source.clone() else { return };
    let path = pass.settings.path.clone();
    let wanted: Vec<_> = deeds
        .fields
        .iter()
        .filter_map(|(key, fields)| Some((gathered.desired.objects.get(key)?.origin.clone(), fields.first()?.clone())))
        .collect();
    let found = tokio::task::spawn_blocking(move || {
        let snapshot =
            Mirror::open_or_create(&source.mirror).and_then(|mirror| mirror.snapshot(&source.revision.commit));
        let tree = snapshot.and_then(|snapshot| snapshot.read(&path)).ok()?;
        let found = wanted.into_iter().filter_map(|(origin, field)| {
            let file = tree.files.iter().find(|file| file.path == origin.file)?;
            let at = position::locate(&file.content, &origin, &field)?.in_file(&origin.file);
            Some((origin, at))
        });
        Some(found.collect::<Vec<_>>())
    });
    let Ok(Some(found)) = found.await else { return };
    for (origin, at) in found {
        let (before, after) = (format!("{origin}: "), format!("{at}: "));
        for failure in &mut pass.memory.failures {
            if let Some(rest) = failure.message.strip_prefix(&before) {
                failure.message = format!("{after}{rest}");
            }
        }
    }
}
