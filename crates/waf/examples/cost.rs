//! What an inspection costs: CPU time of this thread per request, for a folder of rules at levels 1 and
//! 2 and for the built-in rules, and the share of rules that ran. The body is a chat message of some 300
//! bytes; `--long` takes one of 2 KB. Usage: `cost RULES_FOLDER [--long] [--show]`.

use std::{env, fs, net::Ipv4Addr, path::PathBuf};
use waf::{Policy, Request, Rules, Source};

/// Rounds of one measurement; the least of them counts, the others met other load.
const ROUNDS: usize = 7;
/// Requests of a round, each with a message of its own.
const TIMES: usize = 400;

fn main() {
    let mut folder = None;
    let (mut long, mut show) = (false, false);
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--long" => long = true,
            "--show" => show = true,
            path => folder = Some(PathBuf::from(path)),
        }
    }
    let crs = folder.map(|folder| {
        Rules::load(&[Source::Folder(folder)]).unwrap_or_else(|trouble| stop(&trouble.to_string()))
    });
    let bodies: Vec<String> =
        (0..ROUNDS * TIMES).map(|number| body(if long { 2_000 } else { 300 }, number)).collect();
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
    for (name, rules, level) in [("pl1", &crs, 1), ("pl2", &crs, 2)] {
        let Some(rules) = rules else { continue };
        measure(name, rules, &request, &bodies, &Policy::block(level), show, &mut figures);
    }
    let own = Rules::load(&[Source::BuiltIn]).unwrap_or_else(|trouble| stop(&trouble.to_string()));
    measure("builtin", &own, &request, &bodies, &Policy::block(1), show, &mut figures);
    let text: Vec<String> = figures.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    say(&format!("{{\"name\":\"waf\",\"figures\":{{{}}}}}", text.join(",")));
}

fn measure(
    name: &str,
    rules: &Rules,
    request: &Request<'_>,
    bodies: &[String],
    policy: &Policy,
    show: bool,
    figures: &mut Vec<(String, String)>,
) {
    let first = Request { body: bodies.first().map_or(&[], |body| body.as_bytes()), ..*request };
    let verdict = rules.inspect(&first, policy);
    if show {
        for found in &verdict.matches {
            say(&format!("{name}: {} {}", found.rule, found.message));
        }
        say(&format!("{name}: {:?} {:?} {:?}", rules.counts(), verdict.effort, verdict.decision));
    }
    let mut least = f64::INFINITY;
    for round in bodies.chunks(TIMES) {
        let before = thread_time();
        for body in round {
            let request = Request { body: body.as_bytes(), ..*request };
            std::hint::black_box(rules.inspect(std::hint::black_box(&request), policy));
        }
        least = least.min((thread_time() - before) / round.len() as f64);
    }
    figures.push((format!("{name}_cpu_us"), format!("{least:.1}")));
    let counts = rules.counts();
    let share = f64::from(verdict.effort.ran) / counts.links as f64;
    figures.push((format!("{name}_rules"), counts.links.to_string()));
    figures.push((format!("{name}_ran_share"), format!("{share:.3}")));
    figures.push((format!("{name}_bytes_of_work"), verdict.effort.steps.to_string()));
}

/// CPU time of this thread so far, in microseconds.
fn thread_time() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1_000.0
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
