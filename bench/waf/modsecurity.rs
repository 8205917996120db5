//! ModSecurity v3 in nginx with the same rules, asked the same requests. What it costs is what nginx takes
//! with it, less what nginx takes as a proxy alone.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::nginx::{self, Nginx};

const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";
/// Rounds of one measurement; the least of them counts.
const ROUNDS: usize = 3;
/// Requests of a round.
const TIMES: usize = 300;

/// What one request costs, in microseconds of CPU time.
pub(crate) struct Costs {
    pub(crate) proxy: f64,
    pub(crate) levels: [f64; 2],
}

/// Measures; `None` where the peer is not installed.
pub(crate) fn measure(
    rules: &Path,
    target: &str,
    headers: &[(&[u8], &[u8])],
    bodies: &[String],
) -> Result<Option<Costs>, String> {
    if !Path::new(MODULE).exists() {
        return Ok(None);
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let rules = rules.canonicalize().map_err(|error| error.to_string())?;
    let upstream = nginx::upstream()?;
    let mut ports = Vec::new();
    let mut servers = format!("upstream echo {{ server 127.0.0.1:{upstream}; keepalive 8; }}\n");
    for level in 0..=2 {
        let port = nginx::free_port()?;
        let file = folder.path().join(format!("level{level}.conf"));
        std::fs::write(&file, conf(&rules, level)).map_err(|error| error.to_string())?;
        let firewall = match level {
            0 => String::new(),
            _ => format!("modsecurity on; modsecurity_rules_file {};", file.display()),
        };
        servers.push_str(&format!(
            "server {{ listen 127.0.0.1:{port}; {firewall} location / {{ proxy_pass http://echo; \
             proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n"
        ));
        ports.push(port);
    }
    let first = ports.first().copied().unwrap_or_default();
    let nginx = Nginx::start(folder.path(), &format!("load_module {MODULE};"), &servers, first)?;
    let mut costs = Vec::new();
    for port in ports {
        costs.push(cost(&nginx, port, target, headers, bodies)?);
    }
    let [proxy, one, two] = costs.as_slice() else { return Err("three ports, three costs".to_owned()) };
    Ok(Some(Costs { proxy: *proxy, levels: [one - proxy, two - proxy] }))
}

/// ModSecurity's recommended settings as far as requests go, and the rule set at a level.
fn conf(rules: &Path, level: u8) -> String {
    let rules = rules.display();
    format!(
        "SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess Off\nSecAuditEngine Off\n\
         SecRequestBodyLimit 13107200\nSecPcreMatchLimit 100000\nSecPcreMatchLimitRecursion 100000\n\
         SecRule REQUEST_HEADERS:Content-Type \"^application/json\" \
         \"id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON\"\n\
         Include {rules}/crs-setup.conf.example\n\
         SecAction \"id:900000,phase:1,pass,t:none,nolog,setvar:tx.blocking_paranoia_level={level}\"\n\
         Include {rules}/rules/*.conf\n"
    )
}

fn cost(
    nginx: &Nginx,
    port: u16,
    target: &str,
    headers: &[(&[u8], &[u8])],
    bodies: &[String],
) -> Result<f64, String> {
    let told = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(told)?;
    stream.set_nodelay(true).map_err(told)?;
    let mut reading = BufReader::new(stream.try_clone().map_err(told)?);
    let mut ask = |body: &str| -> Result<(), String> {
        let mut request = format!("POST {target} HTTP/1.1\r\n").into_bytes();
        for (name, value) in headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(b"content-length"))
        {
            request.extend_from_slice(&[*name, b": ", *value, b"\r\n"].concat());
        }
        request.extend_from_slice(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        stream.write_all(&request).map_err(told)?;
        let mut line = [0; 12];
        reading.read_exact(&mut line).map_err(told)?;
        // Now and then its rules take a harmless message for an attack, which costs no less.
        if !matches!(&line, b"HTTP/1.1 200" | b"HTTP/1.1 403") {
            return Err(format!("the peer answered `{}`", String::from_utf8_lossy(&line)));
        }
        let length = nginx::head(&mut reading).ok_or("the peer's answer ends early")?;
        std::io::copy(&mut (&mut reading).take(length), &mut std::io::sink()).map_err(told)?;
        Ok(())
    };
    for body in bodies.iter().take(20) {
        ask(body)?;
    }
    let mut least = f64::INFINITY;
    for round in bodies.chunks(TIMES).take(ROUNDS) {
        let before = nginx.cpu();
        for body in round {
            ask(body)?;
        }
        least = least.min((nginx.cpu() - before) / round.len() as f64);
    }
    Ok(least)
}
