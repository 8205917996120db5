//! What the binary carries with it: the user interface and the default bot's folder.

use std::io;
use std::path::Path;

use include_dir::{Dir, include_dir};

static UI: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../ui/dist");
static FRONT_DESK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../bots/front-desk");

/// A file of the user interface.
pub(crate) fn asset(name: &str) -> Option<&'static [u8]> {
    UI.get_file(name).map(include_dir::File::contents)
}

/// Unpacks the default bot into an empty folder.
pub(crate) fn unpack_front_desk(into: &Path) -> io::Result<()> {
    FRONT_DESK.extract(into)
}
