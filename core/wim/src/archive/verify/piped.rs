//! Verifying what comes from a pipe, in one pass: every resource against the hash in front of it, and
//! whether all comes that the images need. What only random access can show is left out.

use std::collections::HashSet;

use super::report::{AffectedFile, Problem, Severity, VerifyReport};
use crate::archive::{Archive, PipedArchive, PipedHead};
use crate::hash::{Hasher, Sha1};
use crate::image::Image;
use crate::port::{Event, Observer, Phase, Unit, WorkerState};
use crate::{Error, ErrorKind, Result};

/// Verifies an archive of which only header and XML data have been read: `known` is what
/// [`PipedArchive::open`] has given with it. The pipe is read to its end.
///
/// # Errors
/// [`ErrorKind::Metadata`] and the like for metadata that is damaged, [`ErrorKind::Pipable`] and
/// [`ErrorKind::UnexpectedEnd`] for what cannot be read on; [`ErrorKind::Cancelled`]. Wrong and missing
/// data stands in the report.
pub fn verify_piped(
    piped: &mut PipedArchive<'_>,
    mut known: Archive,
    observer: &dyn Observer,
) -> Result<VerifyReport> {
    let images = piped.read_images(&mut known, &|_| true, &mut |_| {})?;
    let mut report = VerifyReport {
        files: 1,
        images: images.len() as u64,
        entries: images
            .iter()
            .map(|(_, tree)| tree.walk_all().count() as u64)
            .sum(),
        ..VerifyReport::default()
    };
    let mut seen: HashSet<Sha1> = HashSet::new();
    let total = known.blobs.len() as u64;
    while let Some(head) = piped.next_blob()? {
        if observer.cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "stopped while verifying"));
        }
        seen.insert(head.hash);
        if let Some(what) = check(piped, head)? {
            let kind = what.kind();
            report
                .problems
                .push(damage(kind, what.to_string(), head.hash, &images));
        }
        report.blobs += 1;
        report.bytes += head.size;
        observer.event(&Event::Progress {
            phase: Phase::VerifyData,
            unit: Unit::Items,
            done: report.blobs.min(total),
            total,
        });
    }
    let needed = known.blobs.iter().map(|(_, blob)| blob.hash);
    for hash in needed.filter(|hash| !seen.contains(hash)) {
        let what = format!("blob {hash} does not come through the pipe");
        report
            .problems
            .push(damage(ErrorKind::MissingBlob, what, hash, &images));
    }
    Ok(report)
}

/// Reads a blob; what is wrong with it, if anything is.
fn check(piped: &mut PipedArchive<'_>, head: PipedHead) -> Result<Option<Error>> {
    let mut hasher = Hasher::new();
    let mut state = WorkerState::default();
    let mut wrong = None;
    piped.pieces(head, &mut |piece| {
        match piece.decode(&mut state) {
            Ok(data) => hasher.update(&data),
            Err(error) => wrong = wrong.take().or(Some(error)),
        }
        Ok(())
    })?;
    let named = |error: Error| error.at(format_args!("blob {}", head.hash));
    Ok(wrong.or_else(|| hasher.finish().must_be(&head.hash).err().map(named)))
}

/// A problem of all files that have this data.
fn damage(kind: ErrorKind, what: String, hash: Sha1, images: &[(u32, Image)]) -> Problem {
    let files = images.iter().flat_map(|(image, tree)| {
        let data = tree.data().filter(move |data| data.1 == hash);
        data.map(|(dentry, _)| AffectedFile {
            image: *image,
            path: tree.path(dentry),
        })
    });
    Problem {
        severity: Severity::Damage,
        kind,
        what,
        files: files.collect(),
    }
}
