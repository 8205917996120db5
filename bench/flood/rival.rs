//! HAProxy in the edge's place, set up as its manual and most guides do against floods: a stick table with
//! the rate of requests by address, and a bounded queue before the application.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::Failure;
use crate::net::{HOST, PROXY};
use crate::part::HOUSE;

/// A running HAProxy. It ends when dropped.
pub(crate) struct Haproxy {
    child: Child,
    port: u16,
    home: TempDir,
}

impl Haproxy {
    /// One before the application whose address `told` names. The budget by address is the edge's own.
    pub(crate) fn before(told: &Value) -> Result<Self, Failure> {
        let program = "/usr/sbin/haproxy";
        if !std::path::Path::new(program).exists() {
            return Err("haproxy is missing: apt-get install haproxy".into());
        }
        let application = told["addresses"][0].as_str().ok_or("the application names no address")?;
        let home = tempfile::tempdir()?;
        let own = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        std::fs::write(home.path().join("root.der"), own.cert.der())?;
        let pem = own.cert.pem() + &own.signing_key.serialize_pem();
        std::fs::write(home.path().join("own.pem"), pem)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = format!(
            "global\n  nbthread 1\n  maxconn 8000\n  ssl-default-bind-options ssl-min-ver TLSv1.3\n\
             defaults\n  mode http\n  timeout connect 1s\n  timeout client 30s\n  timeout server 30s\n  timeout queue 1s\n  timeout http-request 5s\n\
             frontend public\n  bind 127.0.0.1:{port} ssl crt {pem} alpn http/1.1\n\
             \x20 tcp-request connection expect-proxy layer4 if {{ src {PROXY} }}\n\
             \x20 stick-table type ipv6 size 1m expire 30s store http_req_rate(1s),conn_rate(1s)\n\
             \x20 http-request track-sc0 src\n\
             \x20 http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 50 }}\n\
             \x20 default_backend application\n\
             backend application\n  server one {application} maxconn 8\n",
            pem = home.path().join("own.pem").display(),
        );
        let file: PathBuf = home.path().join("haproxy.cfg");
        std::fs::write(&file, config)?;
        let mut command = HOUSE.command(program.as_ref());
        command.arg("-db").arg("-f").arg(file).stdout(Stdio::null());
        let mut child = command.spawn()?;
        std::thread::sleep(std::time::Duration::from_secs(1));
        if child.try_wait()?.is_some() {
            return Err("haproxy did not start".into());
        }
        Ok(Self { child, port, home })
    }

    /// Where people and attackers go.
    pub(crate) fn target(&self) -> Vec<String> {
        let address = format!("127.0.0.1:{}", self.port);
        vec![address.clone(), address, self.home.path().join("root.der").display().to_string()]
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
