//! The native program and the command component side by side: each gets the same lines, and what both say
//! and write is compared.

use std::fs;
use std::path::{Path, PathBuf};

use wimforge_conformance::compare::{Rules, assert_same_tree};
use wimforge_conformance::imaging::Imager;
use wimforge_conformance::scratch::{Scratch, names_in};
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tool::{Call, Run};

use crate::command::{command, tellable};
use crate::support::*;

/// A program, and a directory for what it writes.
pub struct Stage {
    program: Call,
    dir: PathBuf,
}

impl Stage {
    /// The archive that `WIM` stands for.
    pub fn wim(&self) -> PathBuf {
        self.dir.join("x.wim")
    }
}

/// Both, with a tree to capture.
pub struct Stages {
    pub scratch: Scratch,
    pub before: Snapshot,
    pub both: [Stage; 2],
}

impl Stages {
    pub fn new() -> Option<Self> {
        let scratch = Scratch::new();
        let component = command(scratch.path())?;
        let source = scratch.join("source");
        tellable(&source);
        fs::write(source.join("song.mp3"), b"la").unwrap();
        let native = Imager::plain().call::<&str>([]);
        let native = native.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
        let both = [("native", native), ("component", component)].map(|(name, program)| {
            let dir = scratch.join(name);
            fs::create_dir(&dir).unwrap();
            Stage { program, dir }
        });
        Some(Self {
            before: Snapshot::of(&source),
            scratch,
            both,
        })
    }

    /// The line for one of them. `SOURCE` and `WIM` stand for paths, `@file` is beside the tree, `%file` in
    /// the directory of the program.
    fn call(&self, stage: &Stage, line: &str) -> Call {
        let shared = self.scratch.path().display().to_string();
        let own = stage.dir.display().to_string();
        let word = |word: &str| {
            word.replace("SOURCE", "@source")
                .replace("WIM", "%x.wim")
                .replace('@', &format!("{shared}/"))
                .replace('%', &format!("{own}/"))
        };
        stage.program.clone().args(line.split(' ').map(word))
    }

    /// Runs a line with both.
    pub fn run(&self, line: &str) -> [Run; 2] {
        self.run_fed(line, b"")
    }

    /// The same with something for standard input.
    pub fn run_fed(&self, line: &str, input: &[u8]) -> [Run; 2] {
        self.both.each_ref().map(|stage| {
            let run = self.call(stage, line).run_fed(input);
            self.before.restore_times();
            run
        })
    }

    pub fn archives(&self) -> [Option<Vec<u8>>; 2] {
        self.both.each_ref().map(|stage| fs::read(stage.wim()).ok())
    }

    /// Both end with this code and have written the same.
    #[track_caller]
    pub fn assert_same(&self, line: &str, code: i32) {
        self.ended(line, b"", code);
    }

    /// They have the same to say as well.
    #[track_caller]
    pub fn assert_alike(&self, line: &str, code: i32) -> Vec<u8> {
        self.assert_alike_fed(line, b"", code)
    }

    /// The same with something for standard input. Returns standard output.
    #[track_caller]
    pub fn assert_alike_fed(&self, line: &str, input: &[u8], code: i32) -> Vec<u8> {
        let [native, component] = self.ended(line, input, code);
        let outputs = [&native, &component].map(|run| self.speech(run.stdout()));
        let errors = [&native, &component].map(|run| self.speech(run.err().as_bytes()));
        for [ours, theirs] in [outputs, errors] {
            match (str::from_utf8(&ours), str::from_utf8(&theirs)) {
                (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{line}"),
                _ => assert_same_bytes(line, &ours, &theirs),
            }
        }
        native.stdout().to_vec()
    }

    #[track_caller]
    fn ended(&self, line: &str, input: &[u8], code: i32) -> [Run; 2] {
        let [native, component] = self.run_fed(line, input);
        // wasi:cli knows success and failure, nothing else.
        assert_eq!(native.code(), code, "{native}");
        assert_eq!(component.code(), code.min(1), "{component}");
        self.assert_same_files(line);
        [native, component]
    }

    /// The same words, whoever said them.
    fn speech(&self, said: &[u8]) -> Vec<u8> {
        let Ok(text) = str::from_utf8(said) else {
            return said.to_vec();
        };
        let [native, component] = self.both.each_ref().map(|stage| stage.dir.display());
        let text = text.replace(&component.to_string(), &native.to_string());
        // How many threads there are, and what the system adds to its errors.
        let differing = [" compression with ", " (os error ", ", similar to `"];
        let lines = text.lines().map(|line| {
            let ends = differing
                .iter()
                .filter_map(|differing| line.find(differing));
            &line[..ends.min().unwrap_or(line.len())]
        });
        lines.collect::<Vec<_>>().join("\n").into_bytes()
    }

    /// Their directories hold the same.
    #[track_caller]
    pub fn assert_same_files(&self, line: &str) {
        let [native, component] = self.both.each_ref().map(|stage| &stage.dir);
        let names = names_in(native);
        assert_eq!(names, names_in(component), "{line}");
        for name in names {
            let (ours, theirs) = (native.join(&name), component.join(&name));
            if ours.is_dir() {
                let rules = Rules {
                    access_times: false,
                    ..Rules::default()
                };
                let (ours, mut theirs) = (Snapshot::of(&ours), Snapshot::of(&theirs));
                // A directory that was not restored itself was made just now.
                theirs.nodes.insert(Vec::new(), ours.nodes[&[][..]].clone());
                assert_same_tree(&format!("{line}: {name}"), &ours, &theirs, rules);
            } else {
                let read = |path: &Path| fs::read(path).unwrap();
                assert_same_bytes(&format!("{line}: {name}"), &read(&ours), &read(&theirs));
            }
        }
    }

    /// Empties their directories.
    pub fn clear(&self) {
        for stage in &self.both {
            fs::remove_dir_all(&stage.dir).unwrap();
            fs::create_dir(&stage.dir).unwrap();
        }
    }
}
