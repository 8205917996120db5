//! Records and wrapped keys made once by version 1 of the construction. Every later version must open
//! them. The file is never written again; a new version of the construction gets a new file.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use kernel::{Id, KeyId, Secret, SubjectId, TenantId, Timestamp, World};
use serde::Deserialize;
use vault::{
    CachePolicy, Column, FileRoot, KeyChain, Keyring, PassphraseRoot, Place, Purpose, Sealed, Table,
    WrappedBy, WrappedDataKey, WrappedSubjectKey, WrappedTenantKey,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frozen {
    root_key: String,
    tenant: String,
    tenant_version: u32,
    tenant_blob: String,
    tenant_commitment: String,
    subject: String,
    subject_blob: String,
    subject_commitment: String,
    key: String,
    purpose: u16,
    generation: u32,
    key_blob: String,
    key_commitment: String,
    records: Vec<Record>,
    mac: String,
    blind_index: String,
    passphrase: String,
    passphrase_header: serde_json::Value,
    passphrase_tenant_blob: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    table: u16,
    row: String,
    column: u16,
    seq: u64,
    second: String,
    role: u8,
    content_type: u8,
    created: u64,
    plain: String,
    sealed: String,
}

impl Record {
    fn place(&self, tenant: TenantId) -> Place {
        Place::new(tenant, Table::new(self.table), array(&self.row), Column::new(self.column))
            .seq(self.seq)
            .second(array(&self.second))
            .role(self.role)
            .content_type(self.content_type)
            .created(Timestamp::from_millis(self.created))
    }
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn frozen() -> Frozen {
    serde_json::from_str(include_str!("frozen.json")).unwrap()
}

fn rows(frozen: &Frozen) -> (WrappedTenantKey, WrappedSubjectKey, WrappedDataKey) {
    let tenant = TenantId::from_bytes(array(&frozen.tenant));
    let subject = SubjectId::from_bytes(array(&frozen.subject));
    (
        WrappedTenantKey {
            tenant,
            version: frozen.tenant_version,
            blob: hex::decode(&frozen.tenant_blob).unwrap(),
            commitment: array(&frozen.tenant_commitment),
        },
        WrappedSubjectKey {
            tenant,
            subject,
            wrapped_by: frozen.tenant_version,
            blob: hex::decode(&frozen.subject_blob).unwrap(),
            commitment: array(&frozen.subject_commitment),
        },
        WrappedDataKey {
            tenant,
            key_id: KeyId::from_bytes(array(&frozen.key)),
            purpose: Purpose::from_code(frozen.purpose).unwrap(),
            generation: frozen.generation,
            wrapped_by: WrappedBy::Subject(subject),
            blob: hex::decode(&frozen.key_blob).unwrap(),
            commitment: array(&frozen.key_commitment),
        },
    )
}

fn private(path: &std::path::Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_version_one_sealed_still_opens() {
    let (frozen, dir) = (frozen(), tempfile::tempdir().unwrap());
    let path = dir.path().join("root.key");
    private(&path, &hex::decode(&frozen.root_key).unwrap());
    let root = FileRoot::open(&path, World::real()).unwrap();
    let keyring = Keyring::new(Arc::new(root), World::real(), CachePolicy::default());
    let (tenant, subject, data) = rows(&frozen);
    let chain = KeyChain { tenant: &tenant, subject: Some(&subject), data: &data };
    let key = keyring.data_key(&chain).unwrap();
    assert!(frozen.records.len() >= 3);
    for record in &frozen.records {
        let sealed = Sealed::<Vec<u8>>::parse(hex::decode(&record.sealed).unwrap()).unwrap();
        let opened = key.open(&record.place(tenant.tenant), &sealed).unwrap();
        assert_eq!(hex::encode(opened), record.plain);
    }
    assert_eq!(hex::encode(key.mac("frozen", b"data").unwrap()), frozen.mac);
    assert_eq!(hex::encode(key.blind_index("frozen", b"data").unwrap()), frozen.blind_index);
}

#[test]
fn what_a_version_one_passphrase_wrapped_still_opens() {
    let (frozen, dir) = (frozen(), tempfile::tempdir().unwrap());
    let path = dir.path().join("root.json");
    private(&path, &serde_json::to_vec(&frozen.passphrase_header).unwrap());
    let passphrase = Secret::new(frozen.passphrase.clone());
    let root = PassphraseRoot::open(&path, &passphrase, World::real()).unwrap();
    let keyring = Keyring::new(Arc::new(root), World::real(), CachePolicy::default());
    // The same tenant key, wrapped by another root: everything below it opens.
    let (mut tenant, subject, data) = rows(&frozen);
    tenant.blob = hex::decode(&frozen.passphrase_tenant_blob).unwrap();
    let chain = KeyChain { tenant: &tenant, subject: Some(&subject), data: &data };
    keyring.data_key(&chain).unwrap();
}
