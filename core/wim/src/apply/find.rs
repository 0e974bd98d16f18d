//! Paths of an image as users write them: with wildcards, without regard to case, with backslashes.

use std::collections::HashSet;

use crate::image::{DentryId, Image, path};
use crate::scan::glob::{Case, Component};

/// Whether `*` and `?` stand for other characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wildcards {
    /// They match any characters, or one, of a name.
    Match,
    /// They stand for themselves.
    Literal,
}

/// All files and directories that a path stands for, in the order of the tree. Backslashes are slashes;
/// repeated, leading and trailing ones do not matter. The empty path is the root.
#[must_use]
pub fn find(image: &Image, path: &[u8], wildcards: Wildcards, case: Case) -> Vec<DentryId> {
    let path: Vec<u8> = path
        .iter()
        .map(|&byte| if byte == b'\\' { b'/' } else { byte })
        .collect();
    let mut found: Vec<DentryId> = image.root().into_iter().collect();
    for name in path::components(&path) {
        let component = match wildcards {
            Wildcards::Match => Component::new(name, case),
            Wildcards::Literal => Component::literal(name, case),
        };
        let is_exact = case == Case::Sensitive && !component.has_wildcards();
        found = found
            .into_iter()
            .flat_map(|directory| {
                let children = image.children(directory);
                let exact = is_exact.then(|| image.child(directory, name));
                let others = if is_exact { &[][..] } else { children };
                let others = others.iter().copied();
                let others = others.filter(|&child| component.matches(image.name(child)));
                exact.flatten().into_iter().chain(others)
            })
            .collect();
    }
    found
}

/// Takes out what occurs twice and what lies below another one of them.
pub fn drop_nested(image: &Image, found: &mut Vec<DentryId>) {
    let all: HashSet<DentryId> = found.iter().copied().collect();
    let mut seen = HashSet::new();
    found.retain(|&dentry| {
        let mut above = std::iter::successors(image.parent(dentry), |&at| image.parent(at));
        !above.any(|at| all.contains(&at)) && seen.insert(dentry)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Compression;
    use crate::testing::{Tree, open};

    #[test]
    fn paths_with_and_without_wildcards() {
        let mut tree = Tree::new();
        for path in [
            "d/one.txt",
            "d/e/two.txt",
            "f/one.txt",
            "Top*.TXT",
            "TopA.TXT",
        ] {
            tree.file(path, path.as_bytes());
        }
        let archive = open(tree.archive(Compression::None)).unwrap();
        let image = archive.read_image(1, &mut |_| {}).unwrap();
        let find = |path: &str, wildcards, case| -> Vec<String> {
            let found = find(&image, path.as_bytes(), wildcards, case);
            let paths = found.iter().map(|&dentry| image.path(dentry));
            paths.map(|path| String::from_utf8(path).unwrap()).collect()
        };
        use Case::{Insensitive, Sensitive};
        use Wildcards::{Literal, Match};
        assert_eq!(find("", Match, Sensitive), ["/"]);
        assert_eq!(
            find("/*/one.txt", Match, Sensitive),
            ["/d/one.txt", "/f/one.txt"]
        );
        assert_eq!(find("\\d\\\\e/", Literal, Sensitive), ["/d/e"]);
        assert_eq!(find("d/ONE.TXT", Match, Sensitive), [""; 0]);
        assert_eq!(find("D/ONE.TXT", Literal, Insensitive), ["/d/one.txt"]);
        assert_eq!(
            find("Top*.TXT", Match, Sensitive),
            ["/Top*.TXT", "/TopA.TXT"]
        );
        assert_eq!(find("Top*.TXT", Literal, Sensitive), ["/Top*.TXT"]);
        assert_eq!(find("d/one.txt/x", Match, Sensitive), [""; 0]);
    }

    #[test]
    fn what_lies_in_another_is_dropped() {
        let mut tree = Tree::new();
        tree.file("d/e/f", b"1");
        tree.file("g", b"2");
        let archive = open(tree.archive(Compression::None)).unwrap();
        let image = archive.read_image(1, &mut |_| {}).unwrap();
        let at = |path: &str| image.lookup(path.as_bytes()).unwrap();
        let mut found = vec![at("d/e/f"), at("g"), at("d"), at("g")];
        drop_nested(&image, &mut found);
        assert_eq!(found, [at("g"), at("d")]);
    }
}
