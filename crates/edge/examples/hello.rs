//! A listener that says hello, for looking at the edge from outside with TLS graders and load tools:
//!
//! ```sh
//! cargo run -p wardroom-edge --example hello -- 127.0.0.1:8443 /tmp/hello-ca localhost 127.0.0.1
//! ```
//!
//! It makes a local certificate authority in the directory, prints the address it listens on and the
//! file to trust, and drains when it is interrupted.

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;

use bytes::Bytes;
use edge::{Edge, Limits, Peer, RequestBody, Shutdown, Tls, TlsSource};
use http::{Request, Response};
use http_body_util::Full;
use kernel::World;
use rustls_pki_types::ServerName;
use tokio::net::TcpListener;
use wire::ca::LocalCa;

async fn hello(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let peer = request.extensions().get::<Peer>();
    Ok(Response::new(Full::from(format!("hello from {}\n{peer:#?}\n", request.uri().path()))))
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(addr), Some(dir)) = (args.next(), args.next()) else {
        return Err("usage: hello ADDRESS DIRECTORY [NAME...]".into());
    };
    let mut names: Vec<ServerName<'static>> = args.map(ServerName::try_from).collect::<Result<_, _>>()?;
    if names.is_empty() {
        names = vec![ServerName::try_from("localhost")?, ServerName::try_from("127.0.0.1")?];
    }
    let world = World::real();
    let ca = LocalCa::load_or_create(Path::new(&dir), &world)?;
    let listener = TcpListener::bind(addr).await?;
    println!("listening on https://{} (trust {})", listener.local_addr()?, ca.certificate_path().display());
    let tls = Tls::open(TlsSource::Local { ca, names }, &world).await?;
    let (trigger, shutdown) = Shutdown::new();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        trigger.stop();
    });
    let report = Edge::new(tls, Limits::default(), edge::Admission::off(&world), edge::Door::Public)?
        .serve(listener, tower::service_fn(hello), shutdown)
        .await?;
    println!("{report:#?}");
    Ok(())
}
