//! Several edges with one store: the tests of the edge that need one, and what they measured.

use crate::Outcome;
use crate::steps::ask;

/// Runs them. Each prints its figures as lines `figure NAME VALUE`.
pub(super) fn run() -> Outcome {
    let words =
        ["test", "--quiet", "--package", "wardroom-edge", "--test", "it", "shared::", "--", "--nocapture"];
    let said = ask("cargo", &words)?;
    let mut figures = serde_json::Map::new();
    for line in said.lines() {
        let Some((_, figure)) = line.split_once("figure ") else { continue };
        let Some((name, value)) = figure.split_once(' ') else { continue };
        let value: f64 = value.trim().parse().map_err(|_| format!("`{line}` holds no figure"))?;
        println!("  {name:<48} {value}");
        figures.insert(name.to_owned(), value.into());
    }
    if figures.is_empty() {
        return Err("nothing was measured".to_owned());
    }
    println!("{}", serde_json::json!({ "name": "shared", "figures": figures }));
    Ok(())
}
