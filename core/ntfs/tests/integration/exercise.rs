//! Reads all of a volume, whatever state it is in.

use std::sync::Arc;

use wimforge_ntfs::{Catalog, Error, FileReference, Limits, ReadAt, Stream, Volume};

/// Asks for everything there is on a volume that may be damaged in any way, and returns how many
/// names were seen and how many errors. What is read of a stream is bounded, since its size is not.
pub fn exercise(device: Arc<dyn ReadAt>) -> Result<(usize, usize), Error> {
    let volume = Volume::open(device, Limits::default())?;
    let catalog = Catalog::read(&volume)?;
    let mut errors = volume.warnings().len();
    let mut names = 0;
    let mut count = |failed: bool| errors += usize::from(failed);
    count(volume.used_clusters().is_err());
    let mut todo = vec![FileReference::ROOT];
    while let Some(directory) = todo.pop() {
        let listing = match catalog.list(&volume, directory) {
            Ok(listing) => listing,
            Err(_) => {
                count(true);
                continue;
            }
        };
        for refused in listing.refused() {
            let _ = refused.error.to_string();
            count(true);
        }
        for entry in listing.entries() {
            names += 1;
            assert!(names < 100_000, "no end of names");
            let info = catalog.get(entry.reference).unwrap();
            if info.is_directory() {
                todo.push(entry.reference);
            }
        }
    }
    for info in catalog.files() {
        let file = match volume.file(info.reference) {
            Ok(file) => file,
            Err(_) => {
                count(true);
                continue;
            }
        };
        count(volume.security_descriptor(&file).is_err());
        count(volume.object_id(&file).is_err());
        count(file.reparse_point().is_err());
        count(file.extended_attributes().is_err());
        count(file.stamp().is_err());
        count(file.names().any(|name| name.is_err()));
        let mut opened: Vec<_> = info
            .streams()
            .map(|found| file.open_stream(found.name))
            .collect();
        if info.streams().any(|found| found.name.is_empty()) {
            opened.push(file.open_contents());
        }
        for stream in opened {
            match stream.and_then(|stream| some_contents(&stream)) {
                Ok(()) => {}
                Err(error) => {
                    let _ = error.to_string();
                    count(true);
                }
            }
        }
    }
    Ok((names, errors))
}

fn some_contents(stream: &Stream) -> Result<(), Error> {
    let mut buffer = vec![0; 40_000];
    for offset in [
        0,
        40_000,
        stream.size() / 2,
        stream.size().saturating_sub(10_000),
    ] {
        stream.read_at(offset, &mut buffer)?;
    }
    Ok(())
}
