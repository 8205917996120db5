//! On which root keys the houses of these tests stand: a file in each data directory, as everybody's does
//! at first, or what `WARDROOM_TEST_ROOT` names: `softhsm`, `openbao` or `moto`. Then each data directory
//! gets a key of its own there. `cargo xtask conformance roots` runs the whole suite once with each.
//!
//! A test that is about the file itself says so with [`own`].

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use testkit::{Authority, Moto, OpenBao};

/// Makes a folder that is its owner's alone.
pub(crate) fn private(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
}

/// A place for root keys that all data directories of this process share.
enum Place {
    Own,
    /// A token that `SOFTHSM2_CONF` leads to; this is the file with its PIN.
    SoftHsm(PathBuf),
    OpenBao {
        server: OpenBao,
        token: PathBuf,
    },
    Moto {
        server: Moto,
        ca: PathBuf,
    },
}

/// Files that the processes of this run read. They lie in the folder that `WARDROOM_TEST_ROOT_DIR` names.
fn file(name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(std::env::var_os("WARDROOM_TEST_ROOT_DIR").expect("set with the root"));
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| match std::env::var("WARDROOM_TEST_ROOT").as_deref() {
        Err(_) | Ok("file") => Place::Own,
        Ok("softhsm") => Place::SoftHsm(file("pin", "87654321\n")),
        Ok("openbao") => {
            let server = OpenBao::start();
            server.run(&["secrets", "enable", "transit"]);
            Place::OpenBao { server, token: file("token", OpenBao::ROOT) }
        }
        Ok("moto") => {
            let authority = Authority::new();
            file("secret", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
            Place::Moto { server: Moto::start(&authority), ca: file("ca.pem", authority.root()) }
        }
        Ok(other) => panic!("WARDROOM_TEST_ROOT is `{other}`: softhsm, openbao or moto"),
    })
}

impl Place {
    /// The `[keys]` of a data directory that has a new key of this name here.
    fn section(&self, name: &str) -> Option<String> {
        Some(match self {
            Self::Own => return None,
            Self::SoftHsm(pin) => format!(
                "[keys]\nprovider = \"pkcs11\"\n[keys.pkcs11]\nmodule = \"/usr/lib/softhsm/libsofthsm2.so\"\n\
                 token = \"wardroom\"\nkey = \"{name}\"\npin = {{ file = {pin:?} }}\ncreate = true\n"
            ),
            Self::OpenBao { server, token } => {
                server.run(&["write", "-f", &format!("transit/keys/{name}")]);
                format!(
                    "[keys]\nprovider = \"openbao\"\n[keys.openbao]\naddress = \"{}\"\nkey = \"{name}\"\n\
                     token = {{ file = {token:?} }}\nnetwork = {{ internal = true, ca = {:?} }}\n",
                    server.origin(),
                    server.ca()
                )
            }
            Self::Moto { server, ca } => {
                let secret = ca.with_file_name("secret");
                format!(
                    "[keys]\nprovider = \"aws-kms\"\n[keys.aws-kms]\nregion = \"eu-west-1\"\nkey = \"{}\"\n\
                     access_key_id = \"AKIDEXAMPLE\"\nsecret_access_key = {{ file = {secret:?} }}\n\
                     endpoint = \"{}\"\nnetwork = {{ internal = true, ca = {ca:?} }}\n",
                    made_by_moto(server.origin(), ca.clone()),
                    server.origin()
                )
            }
        })
    }
}

/// A new key in moto, which takes any signature. In a thread of its own: a test may be in a runtime.
fn made_by_moto(origin: String, ca: PathBuf) -> String {
    let ask = async move {
        let ca = reqwest::Certificate::from_pem(&fs::read(ca).unwrap()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
        let scope = "Credential=A/20260101/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=0";
        let asked = client
            .post(origin)
            .header("x-amz-target", "TrentService.CreateKey")
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", format!("AWS4-HMAC-SHA256 {scope}"))
            .body(r#"{"KeyUsage":"ENCRYPT_DECRYPT"}"#);
        let made: Value = asked.send().await.unwrap().json().await.unwrap();
        made["KeyMetadata"]["KeyId"].as_str().expect("a key").to_owned()
    };
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime().block_on(ask)).join().unwrap()
}

fn config(data: &Path) -> (PathBuf, String) {
    let file = data.join("wardroom.toml");
    let text = fs::read_to_string(&file).unwrap_or_default();
    (file, text)
}

/// Gives a data directory a root key, unless its configuration names one or it has its own.
pub(crate) fn settle(data: &Path) {
    let (file, text) = config(data);
    if matches!(place(), Place::Own) || text.contains("[keys") || data.join("keys/root.key").exists() {
        return;
    }
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    let name = format!("house-{:016x}", hasher.finish());
    let Some(section) = place().section(&name) else { return };
    private(data);
    fs::write(file, format!("{text}\n{section}")).unwrap();
    // Counted, so that whoever runs the suite can tell how much of it stood there.
    if let Some(folder) = std::env::var_os("WARDROOM_TEST_ROOT_DIR") {
        let counted =
            fs::OpenOptions::new().create(true).append(true).open(Path::new(&folder).join("houses"));
        writeln!(counted.unwrap(), "{name}").unwrap();
    }
}

/// This data directory keeps its root key in its own file, whatever the others do.
pub(crate) fn own(data: &Path) {
    let (file, text) = config(data);
    private(data);
    fs::write(file, format!("{text}\n[keys]\nprovider = \"file\"\n")).unwrap();
}

/// Gives `to` the root key of `from`.
pub(crate) fn share(from: &Path, to: &Path) {
    private(to);
    private(&to.join("keys"));
    if from.join("keys/root.key").exists() {
        fs::copy(from.join("keys/root.key"), to.join("keys/root.key")).unwrap();
        return;
    }
    let (_, text) = config(from);
    let section = text.find("[keys").map_or("", |at| &text[at..]);
    let (file, text) = config(to);
    fs::write(file, format!("{text}\n{section}")).unwrap();
}
