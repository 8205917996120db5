//! What must not compile.

#[test]
fn plaintext_cannot_be_appended() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
