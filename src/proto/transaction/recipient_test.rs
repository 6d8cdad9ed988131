//! Decides who is at fault when RCPT is refused without a status code that names the recipient.
//!
//! Postfix refuses the sender in its reply to RCPT (`smtpd_delay_reject`), and other servers refuse
//! the message there. So the recipient is named once more after the null sender: a recipient that
//! is accepted then was refused because of the message.

use crate::mail::Recipient;
use crate::proto::transaction::command::is_ascii;
use crate::proto::transaction::{ReplyKind, ServerReply};

/// The test of some recipients: RSET, `MAIL FROM:<>` and the same RCPT, in the same session if
/// possible, else in a new one. No message follows.
#[derive(Clone, Debug)]
pub struct RecipientTest {
    /// The commands before the first RCPT.
    before: Vec<&'static str>,
    rcpts: Vec<String>,
    /// The reply to each RCPT that was sent.
    replies: Vec<ServerReply>,
    is_over: bool,
}

impl RecipientTest {
    /// A test of these recipients, in a session that is ready for MAIL or needs RSET before it.
    pub fn new(recipients: &[Recipient], is_ready: bool) -> Self {
        let mail = if recipients.iter().all(is_ascii) {
            "MAIL FROM:<>\r\n"
        } else {
            "MAIL FROM:<> SMTPUTF8\r\n"
        };
        let rset = (!is_ready).then_some("RSET\r\n");
        let rcpt = |recipient| format!("RCPT TO:<{recipient}>\r\n");
        Self {
            before: [Some(mail), rset].into_iter().flatten().collect(),
            rcpts: recipients.iter().map(rcpt).collect(),
            replies: Vec::new(),
            is_over: false,
        }
    }

    /// The next command, to which a reply must be heard; `None` at the end.
    pub fn command(&self) -> Option<&str> {
        if self.is_over {
            return None;
        }
        let rcpt = || self.rcpts.get(self.replies.len()).map(String::as_str);
        self.before.last().copied().or_else(rcpt)
    }

    /// Takes the reply to it.
    pub fn heard(&mut self, reply: ServerReply) {
        match self.before.pop() {
            Some(_) => self.is_over = !reply.is_yes(),
            None => {
                self.is_over = matches!(reply.kind(), ReplyKind::Lost | ReplyKind::Closing);
                self.replies.push(reply);
            }
        }
    }

    /// The reply to each recipient's RCPT, in their order. Fewer if the test could not be made.
    pub fn into_replies(self) -> Vec<ServerReply> {
        self.replies
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn said(code: u16) -> ServerReply {
        ServerReply::Said(code, vec![String::new()])
    }

    fn tested(names: &[&str], is_new: bool, codes: &[u16]) -> (Vec<String>, Vec<ServerReply>) {
        let recipients = names.iter().map(|name| Recipient::new(name).unwrap());
        let mut test = RecipientTest::new(&recipients.collect::<Vec<_>>(), is_new);
        let (mut commands, mut codes) = (Vec::new(), codes.iter());
        while let Some(command) = test.command() {
            commands.push(command.trim_end().to_owned());
            test.heard(said(*codes.next().unwrap()));
        }
        (commands, test.into_replies())
    }

    #[test]
    fn each_recipient_is_named_after_the_null_sender() {
        let (commands, replies) = tested(&["jane", "joe"], false, &[250, 250, 550, 250]);
        let expected = ["RSET", "MAIL FROM:<>", "RCPT TO:<jane>", "RCPT TO:<joe>"];
        assert_eq!(commands, expected);
        assert_eq!(replies, [said(550), said(250)]);
        let (commands, _) = tested(&["j\u{e4}ne"], true, &[250, 250]);
        assert_eq!(commands, ["MAIL FROM:<> SMTPUTF8", "RCPT TO:<j\u{e4}ne>"]);
    }

    #[test]
    fn a_test_ends_with_the_session() {
        let (commands, replies) = tested(&["jane", "joe"], true, &[250, 421]);
        assert_eq!(commands, ["MAIL FROM:<>", "RCPT TO:<jane>"]);
        assert_eq!(replies, [said(421)]);
    }

    #[test]
    fn a_test_that_the_server_refuses_says_nothing() {
        for codes in [&[500][..], &[250, 550]] {
            let (commands, replies) = tested(&["jane"], false, codes);
            assert_eq!(commands.len(), codes.len());
            assert_eq!(replies, []);
        }
    }
}
