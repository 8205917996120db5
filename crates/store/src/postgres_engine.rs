//! PostgreSQL, over a blocking client: the thread that owns the connection is the one that waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, NoTls, Statement};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::StoreError;
use crate::address::PostgresAddress;
use crate::engine::Engine;
use crate::value::{Row, Value};

/// How long to wait for a connection, and for a server that stopped answering on one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Limits on the server's side: no job holds a lock for ever, and a client that vanished in the
/// middle of a transaction does not either.
const LIMITS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = 'warning'";

/// A server, and how to trust it.
pub(crate) struct Server {
    config: postgres::Config,
    tls: Option<MakeRustlsConnect>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

impl Server {
    pub(crate) fn new(address: PostgresAddress) -> Result<Self, StoreError> {
        let mut config = address.config;
        config
            .application_name("wardroom")
            .connect_timeout(PATIENCE)
            .tcp_user_timeout(PATIENCE * 2)
            .keepalives(true)
            .keepalives_idle(PATIENCE)
            .keepalives_interval(PATIENCE)
            .keepalives_retries(3);
        let tls = match address.root {
            None => None,
            Some(file) => {
                let mut roots = rustls::RootCertStore::empty();
                let unreadable =
                    StoreError::Address { why: "`sslrootcert` is not a readable PEM file of certificates" };
                let certificates = CertificateDer::pem_file_iter(&file).map_err(|_| unreadable.clone())?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|_| unreadable.clone())?;
                    roots.add(certificate).map_err(|_| unreadable.clone())?;
                }
                if roots.is_empty() {
                    return Err(unreadable);
                }
                let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
                let config = rustls::ClientConfig::builder_with_provider(provider)
                    .with_protocol_versions(&[&rustls::version::TLS13])
                    .map_err(|_| StoreError::Address { why: "TLS 1.3 is not available" })?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                Some(MakeRustlsConnect::new(config))
            }
        };
        Ok(Self { config, tls })
    }

    pub(crate) fn connect(&self) -> Result<Postgres, StoreError> {
        let mut client = match &self.tls {
            Some(tls) => self.config.connect(tls.clone())?,
            None => self.config.connect(NoTls)?,
        };
        client.batch_execute(LIMITS)?;
        Ok(Postgres { client, statements: HashMap::new() })
    }
}

/// One connection to a server.
pub(crate) struct Postgres {
    client: Client,
    statements: HashMap<&'static str, Prepared>,
}

#[derive(Clone)]
struct Prepared {
    statement: Statement,
    columns: Arc<[String]>,
}

impl Postgres {
    fn prepared(&mut self, sql: &'static str) -> Result<Prepared, StoreError> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(sql)?;
        let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let prepared = Prepared { statement, columns };
        self.statements.insert(sql, prepared.clone());
        Ok(prepared)
    }
}

fn bound<'a>(params: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl Engine for Postgres {
    fn query(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let prepared = self.prepared(sql)?;
        let rows = self.client.query(&prepared.statement, &bound(params))?;
        rows.iter()
            .map(|row| {
                let values =
                    (0..row.len()).map(|at| owned(row, at)).collect::<Result<Vec<_>, StoreError>>()?;
                Ok(Row::new(prepared.columns.clone(), values))
            })
            .collect()
    }

    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        let prepared = self.prepared(sql)?;
        Ok(self.client.execute(&prepared.statement, &bound(params))?)
    }

    fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.client.batch_execute(sql)?)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, ty) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(number), &Type::INT8) => number.to_sql(ty, out),
            (Self::Int(number), &Type::INT4) => i32::try_from(*number)?.to_sql(ty, out),
            (Self::Text(text), &Type::TEXT | &Type::VARCHAR) => text.as_ref().to_sql(ty, out),
            (Self::Blob(bytes), &Type::BYTEA) => bytes.as_ref().to_sql(ty, out),
            (value, ty) => Err(format!("a {} cannot stand for {ty}", value.kind()).into()),
        }
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn owned(row: &postgres::Row, at: usize) -> Result<Value<'static>, StoreError> {
    let malformed = |_| StoreError::Malformed { what: "column" };
    let column = row.columns().get(at).ok_or(StoreError::Malformed { what: "row" })?;
    Ok(match *column.type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(at).map_err(malformed)?.map(Value::Int),
        Type::INT4 => {
            row.try_get::<_, Option<i32>>(at).map_err(malformed)?.map(|number| Value::Int(i64::from(number)))
        }
        Type::BOOL => {
            row.try_get::<_, Option<bool>>(at).map_err(malformed)?.map(|truth| Value::Int(i64::from(truth)))
        }
        Type::TEXT | Type::VARCHAR => {
            row.try_get::<_, Option<String>>(at).map_err(malformed)?.map(|text| Value::Text(text.into()))
        }
        Type::BYTEA => {
            row.try_get::<_, Option<Vec<u8>>>(at).map_err(malformed)?.map(|bytes| Value::Blob(bytes.into()))
        }
        _ => return Err(StoreError::Malformed { what: "column" }),
    }
    .unwrap_or(Value::Null))
}
