//! Images in the files of an environment: what stands at a place, and the file with another image there.
//!
//! In the file of kustomize an entry of `images` gets the digest and, where the image is pushed under another name, `newName`;
//! `newTag` goes, as with `kustomize edit set image NAME@DIGEST`. An entry that is missing is added.
//! Pure. Must never do: touch anything but the one place.

mod kustomization;

use plumb_core::{
    commit::RepoPath,
    trigger::{
        image::Image,
        place::{InvalidPlace, Place},
    },
};

use crate::edit::{self, EditError};

/// Why an image can't be put into a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacingError {
    /// The file can't be read or changed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The image can't stand there.
    #[error(transparent)]
    Place(#[from] InvalidPlace),
}

/// Returns what stands at a place of a file, as [`Place::normal`] has it; nothing where there is nothing.
///
/// # Errors
/// The file can't be read, or the place is not in it.
pub fn stands(file: &RepoPath, bytes: &[u8], place: &Place) -> Result<Option<String>, PlacingError> {
    let found = match place {
        Place::Kustomize { image, .. } => kustomization::stands(file, bytes, image)?,
        Place::Field { document, path, .. } => edit::read(file, bytes, document.as_ref(), path)?,
    };
    Ok(found.map(|text| place.normal(&text)))
}

/// Returns the file with an image at a place; a second time it changes nothing.
///
/// # Errors
/// The file can't be read or changed; a tag is asked for and none is known.
pub fn put(file: &RepoPath, bytes: &[u8], place: &Place, image: &Image) -> Result<Vec<u8>, PlacingError> {
    let value = place.value(image)?;
    Ok(match place {
        Place::Kustomize { image: name, .. } => kustomization::put(file, bytes, name, image)?,
        Place::Field { document, path, .. } => edit::set(file, bytes, document.as_ref(), path, &value)?,
    })
}
