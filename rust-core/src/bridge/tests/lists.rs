//! Lists that an app imports, from the file to the verdict and back.

use super::*;

/// A core with a folder of lists.
fn with_lists(folder: &tempfile::TempDir) -> Core {
    let (sender, _) = mpsc::channel();
    let lists = format!(r#","lists":"{}""#, folder.path().join("lists").display());
    Core::start(&config(folder, &lists), Arc::new(App(sender))).unwrap()
}

fn file(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

fn import(core: &Core, text: &str, more: &str) -> Result<String, Fault> {
    core.import_list(file(text), &format!(r#"{{"v":1,"name":"mine"{more}}}"#))
}

/// The list whose rule speaks about a host.
fn list_of(core: &Core, host: &str) -> Option<String> {
    let found = json(core.query(&format!(r#"{{"v":1,"q":"host","host":"{host}"}}"#)));
    let list = found["rule"]["list"].as_str()?;
    Some(list.split('@').next().unwrap().to_owned())
}

fn lines(core: &Core) -> Vec<Value> {
    let told = json(core.query(r#"{"v":1,"q":"lists"}"#));
    let snapshot = json(core.snapshot());
    assert_eq!(told["lists"], snapshot["lists"]);
    let of_others = |line: &&Value| line["imported"] == true;
    told["lists"].as_array().unwrap().iter().filter(of_others).cloned().collect()
}

#[test]
fn a_list_is_imported_with_a_report_is_in_force_stays_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let core = with_lists(&folder);
    let text = "# a list\nads.example.com\nads.example.com\n||tracker.example^\n\
        @@||good.tracker.example^\nno..host\nupdate.intl.miui.com\n";
    let told =
        json(import(&core, text, r#","source":"hosts.txt","category":"ads","default":"record""#));
    let version = told["version"].as_str().unwrap().to_owned();
    assert_eq!(version.len(), 8);
    let expected = json!({"v": 1, "name": "mine", "version": version, "lines": 7, "names": 3,
        "exceptions": 1,
        "duplicates": {"count": 1, "samples": [{"line": 3, "text": "ads.example.com"}]},
        "never": {"count": 1, "samples": [{"line": 7, "text": "update.intl.miui.com"}]},
        "narrowed": {"count": 0, "samples": []}, "widened": {"count": 0, "samples": []},
        "taken_back": {"count": 0, "samples": []},
        "refused": [
            {"reason": "not-a-host", "count": 1, "samples": [{"line": 6, "text": "no..host"}]}]});
    assert_eq!(told, expected);
    let line = json!({"name": "mine", "version": version, "rules": 4, "imported": true,
        "source": "hosts.txt", "category": "ads", "default": "record"});
    assert_eq!(lines(&core), std::slice::from_ref(&line));
    let decided = json(core.query(r#"{"v":1,"q":"host","host":"a.tracker.example"}"#));
    assert_eq!(decided["decision"]["verdict"], "record");
    assert_eq!(list_of(&core, "good.tracker.example"), None);
    assert_eq!(list_of(&core, "update.intl.miui.com").as_deref(), Some("never-block"));
    // The owner's own lists come and go beside it.
    core.set_lists(vec![]).unwrap();
    assert_eq!(list_of(&core, "ads.example.com").as_deref(), Some("mine"));
    core.close().unwrap();

    let core = with_lists(&folder);
    assert_eq!(lines(&core), [line]);
    assert_eq!(list_of(&core, "ads.example.com").as_deref(), Some("mine"));
    let off = r#"{"v":1,"lists":{"mine":"off"}}"#;
    assert_eq!(json(core.set_policy(off))["warnings"], json!([]));
    let decided = json(core.query(r#"{"v":1,"q":"host","host":"ads.example.com"}"#));
    assert_eq!(decided["decision"]["verdict"], "allow");
    let remove = r#"{"v":1,"do":"remove-list","name":"mine"}"#;
    core.command(remove).unwrap();
    assert_eq!((lines(&core), list_of(&core, "ads.example.com")), (vec![], None));
    assert_eq!(code(core.command(remove)), Code::BadList);
    let outside = r#"{"v":1,"do":"remove-list","name":"../muzzle"}"#;
    assert_eq!(code(core.command(outside)), Code::BadList);
    assert_eq!(std::fs::read_dir(folder.path().join("lists")).unwrap().count(), 0);
}

#[test]
fn the_old_list_stays_where_the_new_one_fails_and_a_check_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let core = with_lists(&folder);
    assert_eq!(json(import(&core, "a.example.com\n", r#","check":true"#))["names"], 1);
    assert_eq!(lines(&core), [] as [Value; 0]);
    import(&core, "a.example.com\n", "").unwrap();
    let before = lines(&core);
    for (text, kind) in [("<html>\n", "page"), ("", "empty")] {
        let told = json(import(&core, text, ""));
        assert_eq!(
            (&told["names"], &told["version"], &told["kind"]),
            (&json!(0), &json!(""), &json!(kind))
        );
    }
    let closed = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
    assert_eq!(code(core.import_list(closed, r#"{"v":1,"name":"mine"}"#)), Code::System);
    for (request, expected) in [
        (r#"{"v":1,"name":"xiaomi"}"#, Code::BadList),
        (r#"{"v":1,"name":"../mine"}"#, Code::BadList),
        (r#"{"v":1}"#, Code::BadJson),
        (r#"{"v":1,"name":"b","default":"never"}"#, Code::BadJson),
        (r#"{"v":1,"name":"b","category":"none"}"#, Code::BadJson),
    ] {
        assert_eq!(code(core.import_list(file("b.example.com\n"), request)), expected, "{request}");
    }
    assert_eq!((lines(&core), list_of(&core, "a.example.com").as_deref()), (before, Some("mine")));
    json(import(&core, "c.example.com\n", ""));
    assert_eq!(list_of(&core, "a.example.com"), None);
    assert_eq!(list_of(&core, "c.example.com").as_deref(), Some("mine"));
}

#[test]
fn a_damaged_list_is_told_and_keeps_nothing_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let core = with_lists(&folder);
    import(&core, "a.example.com\n", "").unwrap();
    core.close().unwrap();
    std::fs::write(folder.path().join("lists/mine.list"), "MUZLIST").unwrap();
    let core = with_lists(&folder);
    assert_eq!(lines(&core), [json!({"name": "mine", "imported": true, "damaged": true})]);
    assert_eq!(list_of(&core, "a.example.com"), None);
    import(&core, "a.example.com\n", "").unwrap();
    assert_eq!(list_of(&core, "a.example.com").as_deref(), Some("mine"));
}

#[test]
fn lists_have_a_folder_and_a_bound() {
    let app = opened();
    assert_eq!(code(import(&app.core, "a.example.com\n", "")), Code::Unsupported);
    let folder = tempfile::tempdir().unwrap();
    let core = with_lists(&folder);
    for number in 0..=limits::LISTS {
        let request = format!(r#"{{"v":1,"name":"l{number}"}}"#);
        let outcome = core.import_list(file("a.example.com\n"), &request);
        match number == limits::LISTS {
            true => assert_eq!(code(outcome), Code::Limit),
            false => assert_eq!(json(outcome)["names"], 1),
        }
    }
    assert_eq!(lines(&core).len(), limits::LISTS);
}
