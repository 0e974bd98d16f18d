//! The core as WebAssembly components.
//!
//! The interfaces stand in `wit/` at the top of the repository: the ports of the core in the form in
//! which a component imports them, and what the component exports. This crate will implement them;
//! so far it checks that they are well-formed.

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_interfaces_are_well_formed() {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let mut resolve = wit_parser::Resolve::new();
        let (package, _) = resolve.push_dir(&wit).expect("wit/ parses");
        let interfaces = &resolve.packages[package].interfaces;
        for name in ["types", "source", "storage", "codec"] {
            assert!(interfaces.contains_key(name), "{name} is missing");
        }
        assert!(resolve.packages[package].worlds.contains_key("imaging"));
    }
}
