//! Passwords that only their place gives away, in the places of commands, phrases, markup and addresses.

use super::*;

/// Like people make them: nothing of their looks tells them from words.
const HUMAN: &[&str] = &[
    "Quartzotter1234!",
    "Maplelantern4711!",
    "swordfish",
    "winter-2026",
    "tr0ub4dor3",
    "Passw0rd!",
];

#[test]
fn error_texts() {
    for secret in HUMAN {
        for template in [
            "curl -u bob:{} http://x",
            "curl -u 'bob:{}' http://x",
            "curl -ubob:{} http://x",
            "curl --user bob:{} http://x",
            "smbclient -U bob%{} //h/s",
            "tool --login bob/{} x",
            "mysql -p{}",
            "/usr/bin/mysqldump -h db -uroot -p{} x",
            "sh -c 'mysql -uroot -p{} x'",
            "sshpass -p{} ssh h",
            "<password>{}</password>",
            "<a:Password type=\"text\">{}</a:Password>",
            "<password><![CDATA[{}]]></password>",
            "<credentials><password> {} </password></credentials>",
            "&lt;password&gt;{}&lt;/password&gt;",
            "cut <password>{}",
            "client_secret: >- {}",
            "client_secret: >-\n  {}\nother: x",
            "password: |2-\n  {}",
            "password: !!str {}",
            "p%61ssword={}",
            "p%2561ssword: {}",
            "login failed for bob:{}",
            "Login failed for user 'bob:{}'",
            "authentication failed for bob:{} at h",
            "invalid credentials for bob:{}",
            "credentials (bob, {})",
            "credentials: (bob, {})",
            "credentials=('bob', '{}')",
            "bad login ('bob', '{}')",
            "login failed for user bob / {}",
            "access denied: user 'bob' / '{}'",
            "invalid credentials bob / {}",
            "echo {} | sudo -S ls",
            "echo -n '{}' | sudo -k -S ls",
            "echo \"{}\" | docker login -u bob --password-stdin",
            "printf '%s\\n' {} | sudo -S ls",
        ] {
            let context = template.replace("{}", secret);
            gone(&text(&context), secret, &context);
            assert_eq!(text(&text(&context)), text(&context));
        }
    }
    for secret in ["hunter2", "Passw0rd!", "pw#1x"] {
        for template in [
            "user bob / {}",
            "username: bob / {}",
            "login bob@x.example / {}.",
        ] {
            let context = template.replace("{}", secret);
            gone(&text(&context), secret, &context);
        }
    }
    for template in [
        "PIN {}",
        "pin: {}",
        "the PIN is {}.",
        "verification code {} expired",
        "OTP code is {}",
    ] {
        for secret in ["161682", "4711"] {
            let context = template.replace("{}", secret);
            gone(&text(&context), secret, &context);
        }
    }
}

#[test]
fn command_lines() {
    for secret in HUMAN {
        for template in [
            &["curl", "-ubob:{}"][..],
            &["server", "password", "{}"],
            &["nmcli", "wifi", "connect", "x", "password", "{}"],
            &["server", "Password", "{}", "--verbose"],
            &["unzip", "-P", "{}", "x.zip"],
            &["ldapsearch", "-w", "{}"],
            &["server", "--login", "bob/{}"],
            &["server", "--login=bob/{}"],
            &["server", "--login", "bob:{}"],
            &["sh", "-c", "curl -u bob:{} http://x"],
            &["sh", "-c", "echo {} | sudo -S ls"],
            &["mysqldump", "-p{}", "x"],
            &["server", "--creds={}"],
            &["server", "db_pw={}"],
            &["server", "+password", "{}"],
            &["server", "\u{2014}token", "{}"],
            &["server", "--auth=Basic", "{}"],
            &["server", "--authorization=Bearer", "{}"],
            &["server", "--header", "Authorization: Bearer", "{}"],
            &["http", "-A", "bearer", "-a", "{}", "x"],
            &["python3", "/usr/bin/http", "-a", "a:{}", "x"],
            &["supergateway", "--oauth2Bearer", "{}"],
            &["server", "--tokens", "{}"],
            &["server", "--tokens={}"],
            &["server", "--access_tokens={}"],
            &["ngrok", "authtoken", "{}"],
            &["ngrok", "config", "add-authtoken", "{}"],
            &["server", "--http-basic", "ann:{}"],
            &["server", "--http-basic=ann:{}"],
            &["server", "--userpwd", "ann:{}"],
            &["server", "--anon-key", "{}"],
            &["server", "--supabase-key={}"],
            &["server", "--openai-key={}"],
            &["server", "--stripe-key={}"],
            &["server", "--gemini-key", "{}"],
            &["server", "--org-key", "{}"],
            &["server", "x-api-key", "{}"],
            &["sh", "-c", "export MYPW='{}' && run"],
            &["sh", "-c", "export PGPASS='{}'; x"],
            &["sh", "-c", "set -a; X_CRED=\"{}\" x"],
            &["bash", "-lc", "cd /srv && DB='{}' ./run"],
            &["sh", "-c", "cd /srv; DB={} ./run"],
            &["sh", "-c", "cd /srv; DB=$(echo {}) ./run"],
            &["env", "-i", "sh", "-euxc", "cd /srv; DB='{}' ./run"],
            &["busybox", "ash", "-c", "cd /srv; DB='{}' ./run"],
            &["/bin/tcsh", "-c", "cd /srv; DB='{}' ./run"],
            &["fish", "--command", "cd /srv; DB='{}' ./run"],
            &["server", "cred:{}"],
            &["server", "--cred={}"],
            &["http", "x", "X-Key:{}"],
            &["grpcurl", "-rpc-header", "x-api: {}"],
            &["grpcurl", "-rpc-header=x-api: {}"],
            &["curl", "--proxy-header", "X-A: {}"],
            &["curl", "-b", "sid={}"],
            &["curl", "-bsid={}"],
            &["server", "--session-id={}"],
            &["server", "https://x.example/mcp;jsessionid={}"],
            &["xfreerdp", "/u:a", "/p:{}", "/v:h"],
            &["ldapsearch", "-D", "cn=a", "-w", "{}"],
            &["server", "ldap://h", "-D", "cn=a", "-w", "{}"],
            &["server", "--xml", "<add key=\"pw\" value=\"{}\"/>"],
            &["server", "{\"x\":\"<add name='db-pass' value='{}'/>\"}"],
            &["server", "--passwort", "{}"],
        ] {
            let command: Vec<String> = template.iter().map(|a| a.replace("{}", secret)).collect();
            let once = argv(&command);
            gone(&once.join(" "), secret, &command.join(" "));
            assert_eq!(argv(&once), once);
        }
    }
    for secret in ["hunter22xq", "Passw0rd!x", "s3cr3t", "9mm#x"] {
        for template in [
            &["server", "--password", "--{}"][..],
            &["server", "--secret", "-{}"],
            &["server", "pass {}"],
            &["server", "authtoken {}"],
            &["sh", "-c", "server --password --{} x"],
        ] {
            let command: Vec<String> = template.iter().map(|a| a.replace("{}", secret)).collect();
            let once = argv(&command);
            gone(&once.join(" "), secret, &command.join(" "));
            assert_eq!(argv(&once), once);
        }
    }
    // For other programs these flags mostly mean something else: only what is written like a password goes.
    for flag in ["-P", "-w"] {
        let command = strings(&["server", flag, "Quartzotter1234!"]);
        assert_eq!(argv(&command)[2], REDACTED);
    }
}

#[test]
fn addresses() {
    for secret in HUMAN {
        for template in [
            "/u:{}@x/mcp",
            "http://h/u:{}@x/mcp",
            "https://h:{}/",
            "https://h:{}/mcp?x=1",
            "wss://h:{}",
        ] {
            let context = template.replace("{}", secret);
            let once = url(&context);
            gone(&once, secret, &context);
            assert_eq!(url(&once), once);
            gone(&text(&context), secret, &context);
            gone(&resource(&context), secret, &context);
        }
        for template in ["x://{}/a", "x://{}", "note://u:{}@h/a", "file://{}!/a"] {
            let context = template.replace("{}", secret);
            gone(&resource(&context), secret, &context);
        }
    }
    // The digest is no test for a guessed password.
    assert_eq!(resource("https://h:one/a"), resource("https://h:two/a"));
    for (uri, expect) in [
        ("https://docs.example:8443/a", "https://docs.example:8443#"),
        ("http://localhost/a", "http://localhost#"),
        ("http://127.0.0.1:9000/a", "http://127.0.0.1:9000#"),
        ("http://[::1]:9000/a", "http://[::1]:9000#"),
        ("http://[fe80::7]/a", "http://[fe80::7]#"),
        ("file:///a", "file://#"),
        ("wss://h/a", "wss://h#"),
        ("https://h:pw/", "https://h#"),
        ("note://today/1", "note://#"),
    ] {
        assert!(
            resource(uri).starts_with(expect),
            "{uri}: {}",
            resource(uri)
        );
    }
    assert_ne!(resource("note://a/1"), resource("note://b/1"));
}

#[test]
fn connection_strings() {
    for secret in HUMAN.iter().chain(&["p@ss/w0rd", "a?b#c", "{x;y}"]) {
        for template in [
            "jdbc:sqlserver://h;user=a;password={}",
            "jdbc:sqlserver://h:1433;databaseName=d;user=a;password={};encrypt=true",
            "jdbc:sqlserver://u:{}@h;user=a;password={}",
            "sqlserver://h;pwd={}",
            "x://h&password={}",
            "x://h,password={}",
            "x://password={}",
            "postgres://h/db;password={}",
            "jdbc:db2://h:1/d:user=a;password={};",
        ] {
            let path = secret.contains(['/', '?', '#', '@', ';']);
            if path && !template.contains("://h;") && !template.contains(":1433;") {
                continue;
            }
            let context = template.replace("{}", secret);
            for output in [
                url(&context),
                text(&context),
                text(&format!("cannot reach {context} now")),
                argv(&strings(&["server", &context])).join(" "),
                argv(&strings(&["server", "--url", &context])).join(" "),
                argv(&strings(&["server", &format!("--db={context}")])).join(" "),
            ] {
                gone(&output, secret, &context);
            }
            assert_eq!(url(&url(&context)), url(&context));
            gone(&resource(&context), secret, &context);
        }
    }
    for (context, expect) in [
        (
            "sqlserver://h:1433;user=a;password=b",
            "sqlserver://h:1433;user=[redacted];password=[redacted]",
        ),
        (
            "https://u:p;q=1@x.example/a",
            "https://u:[redacted];q=[redacted]",
        ),
        ("https://u:p=q@x.example/a", "https://x.example/a"),
        ("https://u:p;q@x.example/a", "https://x.example/a"),
        (
            "https://x.example/a;b=c?d",
            "https://x.example/a;b=c?[redacted]",
        ),
    ] {
        assert_eq!(url(context), expect);
    }
    assert_eq!(
        text("see https://x.example; then"),
        "see https://x.example; then"
    );
}

#[test]
fn ordinary_text_stays() {
    for ordinary in [
        "date -u +%H:%M",
        "git push -u origin main",
        "(server --password --verbose); exit",
        "server --auth --http2; exit",
        "session 12 id 3",
        "tokens: 4096",
        "bypass: on",
        "sort_key: name",
        "scan -u https://x.example/a",
        "docker run -u 1000:1000 img",
        "ssh -p2222 h",
        "find . -path ./x -print0",
        "login failed for user bob",
        "user guide / reference",
        "account settings / billing",
        "login page / signup page",
        "login failed for db.example:5432",
        "authentication failed for localhost:8080: refused",
        "authentication failed for https://x.example/a",
        "<div>text</div>",
        "Unexpected token <EOF>",
        "usage: login <token> <host>",
        "usage: x <password>",
        "Vec<Token> is no iterator",
        "if a < b && c > d",
        "credentials (see the manual)",
        "echo hello | grep h",
        "echo $PASSWORD | sudo -S ls",
        "pin 13 is high",
        "GPIO pin 7",
        "exit code 161682",
        "100% = all",
        "a: | b",
        "client: >- text",
        "http://localhost:${PORT}/mcp",
        "http://{host}:{port}/mcp",
        "http://*:8080/mcp",
        "http://[fe80::7]:9000/mcp",
        "https://cdn.example/npm:left-pad@1.2.3/x.js",
        "https://cdn.example/@scope/name@1.2.3/x.js",
    ] {
        assert_eq!(text(ordinary), ordinary);
    }
    for command in [
        &["bash", "--login", "scripts/run"][..],
        &["grep", "-w", "word", "-P", "\\d+"],
        &["cmake", "-P", "script.cmake"],
        &["xargs", "-P", "4"],
        &["gunicorn", "-w", "4", "app:main"],
        &["docker", "run", "-w", "/srv/App1", "img"],
        &["tcpdump", "-w", "Capture01.pcap"],
        &["mysql", "-P", "3306", "-uroot"],
        &["passwd", "bob"],
        &["server", "reset", "password", "--help"],
        &["http", "https://x.example/mcp"],
        &["server", "--tokens", "4096", "--max-tokens", "300"],
        &["server", "--tokens=4096", "--sort-key", "name"],
        &["server", "--public-key", "id_rsa.pub"],
        &["ls", "-a", "docs"],
        &[
            "sh",
            "-c",
            "cd /srv && PATH=/opt/bin NODE_ENV=production node x.js",
        ],
        &[
            "sh",
            "-c",
            "cd /srv && TOKEN=\"${TOKEN}\" PORT='8080' node x.js",
        ],
        &["ngrok", "authtoken", "--help"],
        &["server", "--auth", "--http2", "--max-retries=3"],
        &["curl", "-b", "cookies.txt", "-d", "a=b"],
        &["server", "/p:8080", "-b", "a=b"],
        &["csv", "--no-header", "a:b"],
        &["csv", "--header", "name"],
        &["git", "commit", "-m", "pass arguments"],
        &["plot", "--x-key", "--y", "3"],
        &["server", "<add key=\"mode\" value=\"fast\"/>"],
        &["server", "--auth", "basic", "--verbose"],
    ] {
        assert_eq!(argv(&strings(command)), strings(command));
    }
}

#[test]
fn time_grows_with_length_only() {
    let start = std::time::Instant::now();
    for piece in [
        "<password>",
        "<a ",
        "&lt;token&gt; ",
        "token:> ",
        "a: > b: ",
        "echo a ",
        "echo a | sudo ",
        "login for a:b ",
        "login ",
        "credentials (a, ",
        "pin 1234 ",
        "user bob / abcd1 ",
        "mysql -pa ",
        "-ua:b ",
        "a=(",
        "%3D",
        "a%3D",
    ] {
        let _ = text(&piece.repeat(1_000_000 / piece.len()));
        let _ = argv(&[String::from("x"), piece.repeat(10_000)]);
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
