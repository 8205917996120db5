//! What the edge costs: requests per second of CPU time through TLS 1.3 to an application in its own process,
//! beside nginx with TLS 1.3 before a local upstream; and full handshakes per second of CPU time beside those
//! of rustls alone, in memory and over sockets. The firewall is off. Times are those of the thread that serves and of those that shake
//! hands, as the system accounts for them; clients run on other threads.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program's output is its purpose")]
#![expect(clippy::indexing_slicing, reason = "a tool of the workshop may stop at a bug")]

mod client;
#[path = "../peer/nginx.rs"]
mod nginx;
mod ours;

use std::path::Path;
use std::process::ExitCode;

use client::Client;
use nginx::Nginx;
use ours::{House, bare_handshakes, socket_handshakes};

/// Rounds of one measurement; the best of them counts, the others met other load.
const ROUNDS: usize = 3;
/// Requests of a round.
const REQUESTS: usize = 4_000;
/// Connections that are open, or shake hands, at once: a server that waits for one client after the other
/// pays for its waking up as well.
const CONNECTIONS: usize = 8;
/// Full handshakes of a round, unless the command line says how many.
const HANDSHAKES: usize = 1_000;

fn main() -> ExitCode {
    let handshakes = std::env::args().nth(1).map_or(Ok(HANDSHAKES), |word| word.parse());
    match handshakes.map_err(|_| "[HANDSHAKES]".to_owned()).and_then(run) {
        Ok(figures) => {
            println!("{}", serde_json::json!({ "name": "edge", "figures": figures }));
            ExitCode::SUCCESS
        }
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}

fn run(count: usize) -> Result<serde_json::Value, String> {
    let house = House::open()?;
    let client = Client::new(house.port, &house.root)?;
    let requests = best(REQUESTS, &|| client.requests(REQUESTS, CONNECTIONS), &|| house.cpu())?;
    println!("{:<46} {requests:>8.0} requests per CPU second", "the edge, TLS 1.3, echo in the same process");
    let handshakes = best(count, &|| client.handshakes(count, CONNECTIONS), &|| house.cpu())?;
    println!("{:<46} {handshakes:>8.0} full handshakes per CPU second", "the edge, X25519MLKEM768, P-256");
    let bare = bare_handshakes(&house, count, ROUNDS)?;
    println!("{:<46} {bare:>8.0} full handshakes per CPU second", "rustls alone, in memory");
    let sockets = socket_handshakes(&house, count, ROUNDS)?;
    println!("{:<46} {sockets:>8.0} full handshakes per CPU second", "rustls alone, over sockets");
    let mut figures = serde_json::json!({
        "edge_requests_per_cpu_s": requests.round(),
        "edge_handshakes_per_cpu_s": handshakes.round(),
        "bare_handshakes_per_cpu_s": bare.round(),
        "socket_handshakes_per_cpu_s": sockets.round(),
        "handshakes_to_bare": round(handshakes / bare),
        "handshakes_to_sockets": round(handshakes / sockets),
    });
    match peer(&house, count)? {
        Some((of_requests, of_handshakes)) => {
            println!("{:<46} {of_requests:>8.0} requests per CPU second", "nginx, TLS 1.3, a local upstream");
            println!("{:<46} {of_handshakes:>8.0} full handshakes per CPU second", "nginx, OpenSSL, X25519");
            figures["nginx_requests_per_cpu_s"] = of_requests.round().into();
            figures["nginx_handshakes_per_cpu_s"] = of_handshakes.round().into();
            figures["requests_to_nginx"] = round(requests / of_requests).into();
        }
        None => println!("nginx is not installed: left out"),
    }
    Ok(figures)
}

/// Requests and handshakes per CPU second of nginx, with the same certificate.
fn peer(house: &House, count: usize) -> Result<Option<(f64, f64)>, String> {
    if !Path::new("/usr/sbin/nginx").exists() {
        return Ok(None);
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (certificate, key) = house.pem(folder.path())?;
    let (port, upstream) = (nginx::free_port()?, nginx::upstream()?);
    let http = format!(
        "upstream echo {{ server 127.0.0.1:{upstream}; keepalive 32; }}\n\
         server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; \
         ssl_protocols TLSv1.3; ssl_session_tickets off; location / {{ proxy_pass http://echo; \
         proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n"
    );
    let nginx = Nginx::start(folder.path(), "", &http, port)?;
    let client = Client::new(port, &house.root)?;
    let requests = best(REQUESTS, &|| client.requests(REQUESTS, CONNECTIONS), &|| nginx.cpu())?;
    let handshakes = best(count, &|| client.handshakes(count, CONNECTIONS), &|| nginx.cpu())?;
    Ok(Some((requests, handshakes)))
}

/// How many of something are done in a second of CPU time, in the best of some rounds.
fn best(count: usize, work: &dyn Fn() -> Result<(), String>, cpu: &dyn Fn() -> f64) -> Result<f64, String> {
    let mut best: f64 = 0.0;
    for _ in 0..ROUNDS {
        let before = cpu();
        work()?;
        best = best.max(count as f64 * 1e6 / (cpu() - before));
    }
    Ok(best)
}

fn round(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}
