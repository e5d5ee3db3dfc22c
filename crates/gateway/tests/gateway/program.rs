//! The program `veranda-gateway`.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
};

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_veranda-gateway"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn it_says_where_it_listens_and_stops_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut program = start(&["--listen", "127.0.0.1:0", "--data", data, "--json"]);
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let first: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["event"], "listening");
    let address = first["address"].as_str().unwrap();
    let port = address.strip_prefix("127.0.0.1:").unwrap();
    assert_ne!(port, "0");
    assert_eq!(first["origin"], format!("http://localhost:{port}"));
    std::net::TcpStream::connect(address).unwrap();

    // The address is taken now; the sentence says so and the status is a failure.
    let mut second = start(&["--listen", address, "--data", data]);
    assert_eq!(second.wait().unwrap().code(), Some(1));
    let mut sentence = String::new();
    second.stderr.take().unwrap().read_to_string(&mut sentence).unwrap();
    assert!(sentence.contains(&format!("cannot listen on {address}")), "{sentence}");

    end(&mut program);
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(program.wait().unwrap().success() || cfg!(not(unix)));
    if cfg!(unix) {
        assert_eq!(rest, [r#"{"event":"stopping"}"#, r#"{"event":"stopped"}"#]);
    }
}

#[test]
fn an_origin_that_is_none_is_refused_with_a_sentence() {
    let arguments = ["--data", "nowhere", "--relay-origin", "https://app.example/page"];
    let mut program = start(&arguments);
    assert_eq!(program.wait().unwrap().code(), Some(2));
    let mut sentence = String::new();
    program.stderr.take().unwrap().read_to_string(&mut sentence).unwrap();
    assert!(sentence.contains("an origin is https://NAME"), "{sentence}");
}

#[test]
fn a_damaged_list_of_a_public_gateway_is_left_where_it_is() {
    let public = ["--domain", "gateway.example", "--behind-proxy"];
    for arguments in [
        &public[..],
        // The web side is this computer's, but peers come from elsewhere.
        &["--petrichor", "127.0.0.1:0"],
        &["--xmpp-jid", "gateway@localhost", "--xmpp-password-file", "PASSWORD"],
        &["--listen", "0.0.0.0:0"],
        // It may speak for anybody.
        &["--behind-proxy"],
    ] {
        let (folder, mut program) = start_with_damaged_list(arguments);
        let mut sentence = String::new();
        program.stderr.take().unwrap().read_to_string(&mut sentence).unwrap();
        assert_eq!(program.wait().unwrap().code(), Some(1), "{arguments:?}");
        assert!(sentence.contains("is damaged"), "{arguments:?}: {sentence}");
        let list = folder.path().join("names.sqlite");
        assert_eq!(std::fs::read_to_string(list).unwrap(), "no database");
    }
}

#[test]
fn a_damaged_list_of_this_computer_alone_is_put_aside_and_said() {
    let (_folder, mut program) = start_with_damaged_list(&[]);
    let first = BufReader::new(program.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["event"], "set-aside");
    assert_eq!(std::fs::read_to_string(first["file"].as_str().unwrap()).unwrap(), "no database");
    end(&mut program);
    program.wait().unwrap();
}

/// Starts one in a folder with a damaged list of names, and a password in the file `PASSWORD`.
fn start_with_damaged_list(arguments: &[&str]) -> (tempfile::TempDir, Child) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("names.sqlite"), "no database").unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "secret").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    let mut all = vec!["--json", "--data", folder.path().to_str().unwrap()];
    if !arguments.contains(&"--listen") {
        all.extend(["--listen", "127.0.0.1:0"]);
    }
    let password = password.to_str().unwrap();
    all.extend(arguments.iter().map(|word| if *word == "PASSWORD" { password } else { word }));
    let program = start(&all);
    (folder, program)
}

#[test]
fn the_port_for_petrichor_is_said_and_refused_where_it_could_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--data", data, "--json"];
    let mut program = start(&[&listen[..], &["--petrichor", "127.0.0.1:0"]].concat());
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let second = lines.nth(1).unwrap().unwrap();
    let second: serde_json::Value = serde_json::from_str(&second).unwrap();
    assert_eq!(second["event"], "petrichor");
    let address = second["address"].as_str().unwrap();
    let port = address.strip_prefix("127.0.0.1:").unwrap();
    assert_eq!(second["origin"], format!("petrichor+tcp://localhost:{port}"));
    std::net::TcpStream::connect(address).unwrap();
    end(&mut program);
    program.wait().unwrap();

    for (arguments, words) in [
        (&["--petrichor", "0.0.0.0:0"][..], "give a certificate"),
        (
            &[
                "--petrichor",
                "0.0.0.0:0",
                "--petrichor-certificate",
                "none",
                "--petrichor-key",
                "x",
            ],
            "cannot read none",
        ),
        (
            &["--petrichor", "127.0.0.1:0", "--petrichor-address", "https://gateway.example"],
            "petrichor+tls://",
        ),
    ] {
        let mut program = start(&[&listen[..], arguments].concat());
        assert_eq!(program.wait().unwrap().code(), Some(1));
        let mut sentence = String::new();
        program.stderr.take().unwrap().read_to_string(&mut sentence).unwrap();
        assert!(sentence.contains(words), "{sentence}");
    }
}

#[test]
fn only_options_of_xmpp_stand_under_its_heading() {
    let mut program = start(&["--help"]);
    let mut help = String::new();
    program.stdout.take().unwrap().read_to_string(&mut help).unwrap();
    assert!(program.wait().unwrap().success());
    let (others, xmpp) = help.split_once("\nXMPP:\n").unwrap();
    let xmpp = xmpp.split("\n\nExamples").next().unwrap();
    let option = |line: &str| line.trim_start().starts_with("--").then(|| line.trim().to_owned());
    let of_xmpp: Vec<_> = xmpp.lines().filter_map(option).collect();
    assert!(!of_xmpp.is_empty());
    assert!(of_xmpp.iter().all(|line| line.starts_with("--xmpp-")), "{of_xmpp:?}");
    assert!(!others.contains("  --xmpp-") && others.contains("  --json"), "{others}");
}

/// Returns the arguments for an account whose password is in this file.
fn account(file: &std::path::Path) -> [&str; 4] {
    ["--xmpp-jid", "gateway@localhost", "--xmpp-password-file", file.to_str().unwrap()]
}

fn write_password(file: &std::path::Path) {
    std::fs::write(file, "a password\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_server_that_is_away_is_told_and_the_gateway_goes_on_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    write_password(&password);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = nobody.to_string();
    let data = folder.path().to_str().unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--data", data, "--json", "--xmpp-server", &server];
    let mut program = start(&[&listen[..], &account(&password)].concat());
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut next =
        || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let listening = next();
    let said = next();
    assert_eq!((&said["event"], &said["state"]), (&"xmpp".into(), &"offline".into()), "{said}");
    assert_eq!(said["heals"], true);
    let sentence = said["sentence"].as_str().unwrap();
    assert!(sentence.contains("gateway@localhost"), "{sentence}");
    std::net::TcpStream::connect(listening["address"].as_str().unwrap()).unwrap();
    end(&mut program);
    program.wait().unwrap();
    let mut log = String::new();
    program.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(!log.contains("a password"), "{log}");
}

#[test]
fn what_is_wrong_with_the_account_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (password, open, list, codes) = (at("password"), at("open"), at("list"), at("codes"));
    write_password(&password);
    std::fs::write(&open, "x").unwrap();
    std::fs::write(&list, "anna@a.example\nno account\n").unwrap();
    std::fs::write(&codes, "short\n").unwrap();
    let data = folder.path().join("data");
    let listen = ["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    let (list, codes) = (list.to_str().unwrap(), codes.to_str().unwrap());
    let missing = at("missing");
    for (file, more, code, words) in [
        (&missing, &[][..], 1, "cannot read the password's file"),
        (&password, &["--xmpp-allow", list], 1, "line 2 of"),
        (&password, &["--xmpp-admit", "invite", "--xmpp-invites", codes], 1, "line 1 of"),
        (&password, &["--xmpp-invites", codes], 1, "is for --xmpp-admit invite"),
        (&password, &["--xmpp-admit", "invite"], 2, "--xmpp-invites"),
        (&password, &["--xmpp-server", "nowhere"], 2, "looks like"),
        (&password, &["--xmpp-root-certificate", list], 1, "no certificate"),
    ]
    .into_iter()
    .chain(cfg!(unix).then_some((&open, &[][..], 1, "everybody on this computer")))
    {
        let mut program = start(&[&listen[..], &account(file), more].concat());
        assert_eq!(program.wait().unwrap().code(), Some(code), "{words}");
        let mut sentence = String::new();
        program.stderr.take().unwrap().read_to_string(&mut sentence).unwrap();
        assert!(sentence.contains(words), "{sentence}");
    }
    let mut program = start(&[&listen[..], &["--xmpp-jid", "gateway@localhost"]].concat());
    assert_eq!(program.wait().unwrap().code(), Some(2), "a password is needed");
}

#[cfg(unix)]
fn end(program: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = Pid::from_raw(program.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

#[cfg(not(unix))]
fn end(program: &mut Child) {
    program.kill().unwrap();
}
