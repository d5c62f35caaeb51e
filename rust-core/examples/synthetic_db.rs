//! Makes a database with a synthetic week of events, for the app's tests and pictures:
//! `cargo run --example synthetic_db -- OUT.db NOW_MS`.
//!
//! The requests are made up; they go through the real decoders, the real lists' words and the real
//! store.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muzzle::event::{FlowFacts, FlowId, Reason, ReasonCode, Record, Transport, Verdict};
use muzzle::http::Request;
use muzzle::store::{Config, Gap, RecordSender, Writer};
use serde_json::json;
use std::error::Error;
use std::sync::Arc;

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
const BROWSER: (u32, &str) = (10_123, "com.mi.globalbrowser");
const HOME: (u32, &str) = (10_061, "com.miui.home");
const MUSIC: (u32, &str) = (10_140, "com.miui.player");
const NEWS: (u32, &str) = (10_177, "com.example.news");
const SENSORS: &str = "sa.api.intl.miui.com";
/// Of Alibaba in Singapore, by the table of servers.
const ALIBABA: [u8; 4] = [8, 214, 160, 1];

struct Story {
    sender: RecordSender,
    flow: u64,
}

impl Story {
    fn facts(&mut self, time_ms: i64, app: (u32, &str), host: &str, verdict: Verdict) -> FlowFacts {
        self.flow += 1;
        FlowFacts {
            flow: FlowId(self.flow),
            time_ms,
            uid: Some(app.0),
            package: Some(app.1.to_owned()),
            host: Some(host.to_owned()),
            ech: false,
            server: (verdict == Verdict::Record).then(|| (ALIBABA, 443).into()),
            port: 443,
            transport: Transport::Tcp,
            verdict,
            reason: Reason {
                code: ReasonCode::ListedHost,
                rule: Some(format!(".{host}")),
                list: Some("xiaomi@1".to_owned()),
            },
        }
    }

    fn stopped(&mut self, time_ms: i64, app: (u32, &str), host: &str) {
        let facts = self.facts(time_ms, app, host, Verdict::Block);
        assert!(self.sender.send(Record::Blocked(facts)));
    }

    fn sent(&mut self, time_ms: i64, app: (u32, &str), host: &str, verdict: Verdict, body: Body) {
        let facts = self.facts(time_ms, app, host, verdict);
        let flow = facts.flow;
        assert!(self.sender.send(Record::Opened(Arc::new(facts))));
        let up = match body {
            Body::Closed => {
                let transport = Transport::Tls;
                assert!(self.sender.send(Record::Opaque { flow, time_ms, transport }));
                2300
            }
            Body::Sensors(event, properties) => {
                let request = sensors(host, event, &properties, time_ms);
                let up = request.body_size;
                let request = Box::new(request);
                assert!(self.sender.send(Record::Request { flow, time_ms, request }));
                up
            }
        };
        assert!(self.sender.send(Record::Closed { flow, time_ms: time_ms + 400, up, down: 96 }));
    }
}

enum Body {
    Closed,
    Sensors(&'static str, serde_json::Value),
}

fn sensors(host: &str, event: &str, properties: &serde_json::Value, time_ms: i64) -> Request {
    let mut all = json!({
        "$device_id": "9774d56d682e549c", "$os": "Android", "$os_version": "12",
        "$manufacturer": "Xiaomi", "$model": "M2101K7AG", "$lib": "Android",
        "$screen_width": 1080, "$wifi": true, "imei": "490154203237518"
    });
    if let (Some(all), Some(more)) = (all.as_object_mut(), properties.as_object()) {
        all.extend(more.clone());
    }
    let told = json!({
        "distinct_id": "9774d56d682e549c", "type": "track", "event": event, "time": time_ms,
        "lib": {"$lib": "Android", "$lib_version": "6.3.4"}, "properties": all
    });
    let body = format!("data={}", STANDARD.encode(told.to_string()).replace('+', "%2B"));
    Request {
        method: "POST".to_owned(),
        target: "/sa?project=production".to_owned(),
        headers: vec![
            ("Host".to_owned(), host.to_owned()),
            ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ],
        body_size: body.len() as u64,
        body: body.into_bytes(),
        cut: false,
    }
}

fn day(story: &mut Story, begin: i64, number: i64, until: i64) {
    let pages = [
        "https://news.example/flood-in-the-valley",
        "https://health.example/sleepless-nights",
        "https://bank.example/login",
        "https://maps.example/route?to=station",
    ];
    let words = ["weather tomorrow", "погода завтра", "附近的餐厅", "how to sleep better"];
    let at = |hour: i64, minute: i64| begin + hour * HOUR + minute * 60_000;
    for turn in 0..(8 + number * 3 % 7) {
        let time = at(8 + turn, 7 * number % 50);
        if time >= until {
            return;
        }
        let n = ((turn + number) % 4) as usize;
        story.stopped(time, HOME, "tracking.intl.miui.com");
        if turn % 2 == 0 {
            story.stopped(time + 1000, MUSIC, "data.mistat.intl.xiaomi.com");
            let page = json!({"url": pages[n], "title": "A page", "is_incognito": turn % 4 == 0});
            let body = Body::Sensors("page_load_event_finish", page);
            story.sent(time + 2000, BROWSER, SENSORS, Verdict::Record, body);
        }
        if turn % 3 == 0 {
            let search = json!({"search_word": words[n], "search_engine": "google"});
            let verdict = if number % 2 == 0 { Verdict::Capture } else { Verdict::Record };
            story.sent(time + 3000, BROWSER, SENSORS, verdict, Body::Sensors("search", search));
        }
        if turn % 4 == 1 {
            let song = json!({"song_name": "A song", "artist": "A singer", "duration": 214});
            story.sent(
                time + 4000,
                MUSIC,
                SENSORS,
                Verdict::Record,
                Body::Sensors("play_music", song),
            );
            story.sent(time + 5000, NEWS, "alogs.umeng.com", Verdict::Record, Body::Closed);
        }
        if turn % 5 == 2 {
            let screen =
                json!({"$screen_name": "com.miui.home.launcher.Folder", "$title": "Games"});
            let body = Body::Sensors("$AppViewScreen", screen);
            story.sent(time + 6000, HOME, SENSORS, Verdict::Record, body);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(now)) = (args.next(), args.next()) else {
        return Err("usage: synthetic_db OUT.db NOW_MS".into());
    };
    let now: i64 = now.parse()?;
    let writer = Writer::open(Config { retention_days: 0, ..Config::new(path) })?;
    let mut story = Story { sender: writer.sender(), flow: 0 };
    let today = now - now.rem_euclid(DAY);
    for number in 0..7 {
        day(&mut story, today - (6 - number) * DAY, number, now);
        writer.flush()?;
    }
    writer.gap(Gap {
        start: muzzle::event::Time(today - DAY + 2 * HOUR),
        end: Some(muzzle::event::Time(today - DAY + 6 * HOUR)),
        reason: "killed".to_owned(),
    })?;
    writer.close()?;
    Ok(())
}
