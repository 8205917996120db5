//! What an inspection costs: CPU time of this thread per request, for a folder of rules at levels 1 and
//! 2 and for the built-in rules, and the share of rules that ran. The body is a chat message of some 300
//! bytes, and one of 2 KB. Beside it: what ModSecurity v3 takes for the same in nginx, if it is installed.
//! Usage: `cost RULES_FOLDER [--show]`.

mod modsecurity;
#[path = "../peer/nginx.rs"]
mod nginx;

use std::{
    env,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};
use waf::{Inspector, Policy, Request, Rules, Source};

/// Rounds of one measurement; the least of them counts, the others met other load.
const ROUNDS: usize = 7;
/// Requests of a round, each with a message of its own.
const TIMES: usize = 400;

fn main() {
    let mut folder = None;
    let mut show = false;
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--show" => show = true,
            path => folder = Some(PathBuf::from(path)),
        }
    }
    let crs = folder.clone().map(|folder| {
        Rules::load(&[Source::Folder(folder)]).unwrap_or_else(|trouble| stop(&trouble.to_string()))
    });
    let bodies: Vec<String> = (0..ROUNDS * TIMES).map(|number| body(300, number)).collect();
    let length = bodies.first().map_or(0, String::len).to_string();
    let headers: Vec<(&[u8], &[u8])> = vec![
        (b"Host", b"chat.bank.example"),
        (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
        (b"Accept", b"application/json, text/plain, */*"),
        (b"Accept-Language", b"en-GB,en;q=0.8,de;q=0.5"),
        (b"Accept-Encoding", b"gzip, deflate, br"),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", length.as_bytes()),
        (b"Origin", b"https://www.bank.example"),
        (b"Referer", b"https://www.bank.example/help/cards"),
        (b"Cookie", b"sid=5f0c2a9be1d7463c8ab1; theme=dark"),
    ];
    let request = Request {
        remote: Ipv4Addr::new(192, 0, 2, 7).into(),
        method: b"POST",
        target: b"/chat/v1/conversations/01JD3QW9T6Z8/messages",
        protocol: b"HTTP/1.1",
        headers: &headers,
        body: &[],
    };
    let mut figures = vec![("body_bytes".to_owned(), length.clone())];
    let mut run = |name: &str, rules: &Rules, bodies: &[String], policy: Policy| {
        measure(name, &rules.under(policy), &request, bodies, show, &mut figures);
    };
    for (level, name) in [(1, "pl1"), (2, "pl2")] {
        let Some(rules) = &crs else { continue };
        run(name, rules, &bodies, Policy::block(level));
    }
    let own = Rules::load(&[Source::BuiltIn]).unwrap_or_else(|trouble| stop(&trouble.to_string()));
    run("builtin", &own, &bodies, Policy::block(1));
    // As the edge has it: the message's text is scored and not judged.
    let chat = || Policy { conversation_text: vec!["json.text".to_owned()], ..Policy::block(1) };
    run("chat_builtin", &own, &bodies, chat());
    let long: Vec<String> = (0..ROUNDS * TIMES).map(|number| body(2_000, number)).collect();
    if let Some(rules) = &crs {
        run("chat_pl1", rules, &bodies, chat());
        run("pl1_2k", rules, &long, Policy::block(1));
    }
    run("builtin_2k", &own, &long, Policy::block(1));
    if let Some(folder) = &folder {
        peer(folder, &request, &bodies, &mut figures);
    }
    let text: Vec<String> = figures.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    say(&format!("{{\"name\":\"waf\",\"figures\":{{{}}}}}", text.join(",")));
}

/// The peer's costs, among the figures.
fn peer(folder: &Path, request: &Request<'_>, bodies: &[String], figures: &mut Vec<(String, String)>) {
    let target = String::from_utf8_lossy(request.target);
    let costs = match modsecurity::measure(folder, &target, request.headers, bodies) {
        Ok(Some(costs)) => costs,
        Ok(None) => {
            return say("nginx with ModSecurity is not installed (libnginx-mod-http-modsecurity): left out");
        }
        Err(trouble) => stop(&trouble),
    };
    figures.push(("nginx_cpu_us".to_owned(), format!("{:.1}", costs.proxy)));
    for (name, cost) in ["pl1", "pl2"].into_iter().zip(costs.levels) {
        figures.push((format!("modsecurity_{name}_cpu_us"), format!("{cost:.0}")));
        let ours = figures.iter().find(|(known, _)| *known == format!("{name}_cpu_us"));
        if let Some(ours) = ours.and_then(|(_, value)| value.parse::<f64>().ok()) {
            figures.push((format!("{name}_times_less"), format!("{:.1}", cost / ours)));
        }
    }
}

fn measure(
    name: &str,
    inspector: &Inspector,
    request: &Request<'_>,
    bodies: &[String],
    show: bool,
    figures: &mut Vec<(String, String)>,
) {
    let first = Request { body: bodies.first().map_or(&[], |body| body.as_bytes()), ..*request };
    let verdict = inspector.inspect(&first);
    if show {
        for found in &verdict.matches {
            say(&format!("{name}: {} {}", found.rule, found.message));
        }
        say(&format!("{name}: {:?} {:?} {:?}", inspector.rules().counts(), verdict.effort, verdict.decision));
    }
    let mut least = f64::INFINITY;
    for round in bodies.chunks(TIMES) {
        let before = thread_time();
        for body in round {
            let request = Request { body: body.as_bytes(), ..*request };
            std::hint::black_box(inspector.inspect(std::hint::black_box(&request)));
        }
        least = least.min((thread_time() - before) / round.len() as f64);
    }
    figures.push((format!("{name}_cpu_us"), format!("{least:.1}")));
    let counts = inspector.rules().counts();
    let share = f64::from(verdict.effort.ran) / counts.links as f64;
    figures.push((format!("{name}_rules"), counts.links.to_string()));
    figures.push((format!("{name}_ran_share"), format!("{share:.3}")));
    figures.push((format!("{name}_bytes_of_work"), verdict.effort.steps.to_string()));
}

/// CPU time of this thread so far, in microseconds.
fn thread_time() -> f64 {
    nginx::schedstat(Path::new("/proc/thread-self/schedstat"))
}

/// A message of about this many bytes as a customer would write it, a different one for each number.
fn body(bytes: usize, number: usize) -> String {
    let words = "hello question about card that ordered two weeks ago and has not come yet could you tell me when it \
        was sent to which address my old one runs out at the end of month so would rather be without it on journey \
        thank very much for help kind regards account transfer payment pending still waiting please check limit \
        abroad holiday statement balance wrong charge refund shop twice phone app does open since update";
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut state = number as u64 + 1;
    let mut text = String::new();
    while text.len() + 46 < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = words.get((state >> 33) as usize % words.len()).copied().unwrap_or("hello");
        let end = match (state >> 20) % 12 {
            0 => ", ",
            1 => ". ",
            2 => "? ",
            _ => " ",
        };
        text.push_str(word);
        text.push_str(end);
    }
    format!(r#"{{"text":"{}","id":"01JD3QW9T6Z8"}}"#, text.trim_end())
}

#[expect(clippy::print_stdout, reason = "this program's output is its purpose")]
fn say(text: &str) {
    println!("{text}");
}

fn stop(text: &str) -> ! {
    say(text);
    std::process::exit(1)
}
