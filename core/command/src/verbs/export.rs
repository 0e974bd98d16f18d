//! `export`.

use wimforge_core::archive::Archive;
use wimforge_core::format::Layout;
use wimforge_core::write::{Change, Existing};
use wimforge_core::{Error, ErrorKind};

use super::archive::{self, Selected};
use super::destination::Destination;
use super::modify::{Beginning, NewWriter, PIPABLE_WARNING, Session, Writing};
use crate::choices::{self, Space};
use crate::failure::Failure;
use crate::host::{Host, Lock};
use crate::invocation::Invocation;
use crate::report::Reporter;

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let mut reporter = Reporter::new(host, invocation);
    let text = |name: &str| invocation.text(name).map(str::to_owned);
    let (source, destination) = (
        invocation.path("SRC_WIMFILE"),
        invocation.path("DEST_WIMFILE"),
    );
    if destination.as_os_str() == "-" {
        reporter = reporter.on_stderr();
    }
    let mut writing = Writing::of(matches)?;
    writing.is_new = !host.exists(&destination);
    let from = archive::open_set(host, &source, matches, &reporter)?;
    if matches.get_flag("check") {
        archive::check(&from, &source, &reporter)?;
    }
    let selected = archive::select(&from, invocation.text("SRC_IMAGE"), &source)?;
    let exported = Exported {
        from: &from,
        images: images(&from, selected),
        name: text("DEST_IMAGE_NAME"),
        description: text("DEST_IMAGE_DESCRIPTION"),
        boot: boot(&from, selected, matches.get_flag("boot"))?,
        wimboot: matches.get_flag("wimboot"),
        writing: &writing,
    };
    if selected == Selected::All && (exported.name.is_some() || exported.description.is_some()) {
        let what = "a name or description can be given for a single image only, not for all";
        return Err(Error::new(ErrorKind::Parameter, what).into());
    }
    let change = Change::Add(exported.all().collect());
    if destination.as_os_str() == "-" || !host.exists(&destination) {
        let to = Destination::open(host, &destination, writing.layout, Lock::Take)?;
        writing.check_layout(to.layout())?;
        if to.layout() == Layout::Pipable {
            reporter.warning(PIPABLE_WARNING);
        }
        let writer = NewWriter {
            host,
            reporter: &reporter,
            options: &writing.options(host, &from)?,
            workers: &*writing.workers(host),
        };
        writer.write(to, Beginning::Empty, change)?;
        reporter.end_line();
        return Ok(0);
    }
    let session = Session::open(host, destination, matches, &reporter)?;
    let (old, wanted) = (
        session.archive.header().compression,
        session.options.compression,
    );
    if wanted.number() != old.number() {
        return Err(Failure::usage(format!(
            "\"{}\" is compressed with {}; a different --compress is possible for a new WIM only \
             (optimize changes the compression of one that exists)",
            session.path.display(),
            old.name()
        )));
    }
    let space = match choices::space(matches) {
        Space::Left if wanted != old => Space::Rebuilt,
        asked => asked,
    };
    session.change_with(space, change)?;
    reporter.end_line();
    Ok(0)
}

fn images(from: &Archive, selected: Selected) -> Vec<u32> {
    match selected {
        Selected::One(index) => vec![index],
        Selected::All => (1..=from.image_count()).collect(),
    }
}

/// The image that becomes the boot image; of several the one that was it before.
fn boot(from: &Archive, selected: Selected, wanted: bool) -> Result<Option<u32>, Failure> {
    match (wanted, selected) {
        (false, _) => Ok(None),
        (true, Selected::One(index)) => Ok(Some(index)),
        (true, Selected::All) => match from.header().boot_index {
            0 => Err(Failure::usage(
                "--boot with all images makes sense only if one of them is the boot image already",
            )),
            index => Ok(Some(index)),
        },
    }
}

/// What is added to the destination.
struct Exported<'a> {
    from: &'a Archive,
    images: Vec<u32>,
    name: Option<String>,
    description: Option<String>,
    boot: Option<u32>,
    wimboot: bool,
    writing: &'a Writing,
}

impl Exported<'_> {
    fn all(&self) -> impl Iterator<Item = Existing<'_>> {
        self.images.iter().map(|&index| {
            let wimboot = self.wimboot.then(|| ("WIMBOOT".to_owned(), "1".to_owned()));
            Existing {
                from: self.from,
                index,
                name: self.name.clone(),
                description: self.description.clone(),
                properties: wimboot.into_iter().collect(),
                boot: self.boot == Some(index),
                recompress: self.writing.recompress,
            }
        })
    }
}
