//! Messages of every shape that is known from maildrops, after dot-unstuffing.

/// Odd messages first, then `further` ones that differ in size, header and line ends.
pub fn messages(further: usize) -> Vec<Vec<u8>> {
    let header = "From: a@example.org\r\nTo: jane@home.lan\r\nSubject: odd\r\n\r\n";
    let long = "x".repeat(20_000);
    let bodies = [
        String::new(),
        ".\r\n".into(),
        "..\r\n.\r\n...\r\n.x\r\n".into(),
        "From here it looks like an mbox\r\n>From there too\r\n".into(),
        "bare \r stays\r\n\r\r\nand bare \n too\n\n.\n\r\n".into(),
        "NUL \0 and \u{1} and \u{7f}\r\n\0\r\n".into(),
        format!("{long}\r\n.{long}\r\n"),
        "\r\n\r\n\r\n".into(),
        "  leading\r\n\ttab \r\ntrailing  \r\n".into(),
        "Return-Path: <in@body>\r\nReceived: in body\r\n".into(),
        "umlauts: \u{e4}\u{f6}\u{fc} \u{20ac}\r\n".into(),
    ];
    let mut messages: Vec<Vec<u8>> = bodies
        .map(|body| (header.to_owned() + &body).into_bytes())
        .into();
    for whole in [
        &b""[..],
        b"\r\n",
        b"no header at all\r\nonly text\r\n",
        b"Subject: header only\r\n",
        b"Subject: 8-bit \xE4\xF6\xFC \xFF\xFE\r\n\r\n\x80\x81\r\n",
        b"Return-Path: <bounce+x=y@list.example>\r\nReceived: by z\r\nSubject: x\r\n\r\nbody\r\n",
        b"Received: by z\r\nReturn-Path: <below@example.org>\r\n\r\nbody\r\n",
        b"Return-Path: <>\r\nReceived: by z\r\nFrom: MAILER-DAEMON\r\n\r\nbounce\r\n",
        b"Subject: folded\r\n over\r\n\tlines\r\n\r\nbody\r\n",
    ] {
        messages.push(whole.to_vec());
    }
    messages.extend((0..further).map(ordinary));
    messages
}

/// A message that differs from the others so that a mistake with sizes or boundaries would show.
fn ordinary(number: usize) -> Vec<u8> {
    let mut message = format!(
        "Return-Path: <sender{number}@example.org>\r\nReceived: from x by y; Mon, 23 Nov 2026 \
         12:00:00 +0000\r\n\
         Message-ID: <{number}@example.org>\r\nSubject: message {number}\r\n\r\n"
    );
    let mut state = number as u64 + 1;
    while message.len() < 300 + number * 97 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let width = usize::try_from(state >> 57).unwrap();
        message.push_str(&"abcdefghijklmnopqrstuvwxyz .".repeat(5)[..width]);
        message.push_str("\r\n");
    }
    message.into_bytes()
}
