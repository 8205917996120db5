//! Where rules come from: text built in, a file, a folder such as the OWASP Core Rule Set's.

use super::{
    Directive, LoadError,
    parse::{Parsed, parse},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How deep one file may include another.
const DEEPEST: u8 = 8;

/// One source of rules.
#[derive(Clone, Debug)]
pub enum Source {
    /// The rules that ship with Wardroom.
    BuiltIn,
    /// Rules held in memory, under a name for errors.
    Text {
        /// What errors call it.
        name: String,
        /// The rules.
        text: String,
    },
    /// One file. Data files it names are looked for beside it.
    File(PathBuf),
    /// A folder as the OWASP Core Rule Set comes: `crs-setup.conf` (or, failing that,
    /// `crs-setup.conf.example`) if there, then all `*.conf` of `rules/` (or of the folder itself) in
    /// order of their names.
    Folder(PathBuf),
}

/// The rules that ship with Wardroom, `policies/waf/` of its repository.
const BUILT_IN: [(&str, &str); 5] = [
    ("builtin/10-form.conf", include_str!("../../../../policies/waf/10-form.conf")),
    ("builtin/20-injection.conf", include_str!("../../../../policies/waf/20-injection.conf")),
    ("builtin/30-system.conf", include_str!("../../../../policies/waf/30-system.conf")),
    ("builtin/80-decide.conf", include_str!("../../../../policies/waf/80-decide.conf")),
    ("builtin/90-response.conf", include_str!("../../../../policies/waf/90-response.conf")),
];

/// All directives of a source in order, includes read in their places.
pub(crate) fn read(source: &Source) -> Result<Vec<Directive>, LoadError> {
    let mut found = Vec::new();
    match source {
        Source::BuiltIn => {
            for (name, text) in BUILT_IN {
                take(&Arc::from(name), None, text, 0, &mut found)?;
            }
        }
        Source::Text { name, text } => take(&Arc::from(name.as_str()), None, text, 0, &mut found)?,
        Source::File(path) => file(path, 0, &mut found)?,
        Source::Folder(path) => {
            for member in members(path)? {
                file(&member, 0, &mut found)?;
            }
        }
    }
    Ok(found)
}

fn members(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let mut found = Vec::new();
    let setup = ["crs-setup.conf", "crs-setup.conf.example"].map(|name| folder.join(name));
    found.extend(setup.into_iter().find(|path| path.is_file()));
    let rules = folder.join("rules");
    let rules = if rules.is_dir() { rules } else { folder.to_owned() };
    let mut listed = listing(&rules, |name| name.ends_with(".conf") && name != "crs-setup.conf")?;
    if listed.is_empty() {
        return Err(LoadError::NoRules { path: folder.to_owned() });
    }
    found.append(&mut listed);
    Ok(found)
}

fn listing(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_str().is_some_and(&wanted) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn file(path: &Path, depth: u8, found: &mut Vec<Directive>) -> Result<(), LoadError> {
    let bytes = fs::read(path).map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
    // Comments of rule files hold Latin-1 now and then; a pattern never may, and its error says so.
    let text = String::from_utf8_lossy(&bytes);
    let folder: Option<Arc<Path>> = path.parent().map(Arc::from);
    take(&Arc::from(path.display().to_string().as_str()), folder.as_ref(), &text, depth, found)
}

fn take(
    name: &Arc<str>,
    folder: Option<&Arc<Path>>,
    text: &str,
    depth: u8,
    found: &mut Vec<Directive>,
) -> Result<(), LoadError> {
    for parsed in parse(name, folder, text)? {
        match parsed {
            Parsed::Directive(directive) => found.push(directive),
            Parsed::Include(place, _) if depth >= DEEPEST => {
                return Err(LoadError::at(&place, "files include each other too deeply", "break the circle"));
            }
            Parsed::Include(place, path) => {
                let Some(folder) = folder else {
                    return Err(LoadError::at(
                        &place,
                        "rules held in memory include no files",
                        "load the file itself",
                    ));
                };
                let target = folder.join(&path);
                for member in matching(&target).map_err(|_| {
                    LoadError::at(
                        &place,
                        format!("`{path}` names no readable file"),
                        "name a file, or a folder and `*.conf`",
                    )
                })? {
                    file(&member, depth + 1, found)?;
                }
            }
        }
    }
    Ok(())
}

/// The files a path names; a `*` may stand in its last part.
fn matching(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let pattern = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some((before, after)) = pattern.split_once('*') else { return Ok(vec![path.to_owned()]) };
    let folder = path.parent().unwrap_or(Path::new("."));
    let least = before.len() + after.len();
    listing(folder, |name| name.len() >= least && name.starts_with(before) && name.ends_with(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_in_order_and_includes_stand_in_their_places() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.conf"), "SecMarker B\n").unwrap();
        fs::write(folder.path().join("a.conf"), "SecMarker A\nInclude more/*.txt\nSecMarker C\n").unwrap();
        fs::create_dir(folder.path().join("more")).unwrap();
        fs::write(folder.path().join("more/x.txt"), "SecMarker X\n").unwrap();
        let found = read(&Source::Folder(folder.path().to_owned())).unwrap();
        let names: Vec<String> = found.iter().map(|directive| format!("{:?}", directive.kind)).collect();
        assert_eq!(names, [r#"Marker("A")"#, r#"Marker("X")"#, r#"Marker("C")"#, r#"Marker("B")"#]);
    }

    #[test]
    fn a_circle_of_includes_ends_in_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.conf"), "Include a.conf\n").unwrap();
        assert!(read(&Source::File(folder.path().join("a.conf"))).is_err());
    }
}
