//! The events during a storm, and how it ends.

use super::destination::Mood;
use super::servers::{Bytes, Character, Names};
use super::{DAY, HOUR, Simulation};
use crate::support::odd::Odd;

impl Simulation {
    pub fn something_happens(&mut self) {
        let at = self.random.usize(..self.worlds.len());
        if self.random.u64(..4) == 0 {
            self.put(Character::HONEST);
        }
        match self.random.u64(..18) {
            0..=3 => self.put(at),
            4 => self.heal_server(at),
            9 => *self.store.fails_one_in.lock().unwrap() = [0, 0, 20, 5][self.random.usize(..4)],
            10 => *self.clock.ahead.lock().unwrap() += [0, HOUR, 3 * DAY][self.random.usize(..3)],
            11..=13 => {
                let mood = Mood::of_a_day(&mut self.random);
                let which = self.random.usize(..self.boxes.len());
                *self.boxes[which].mood.lock().unwrap() = mood;
            }
            _ if at == Character::HONEST => {}
            5 => self.refuses_logins(at),
            6 => {
                let victim = self.a_message(at);
                self.worlds[at]
                    .server
                    .with(|habits| habits.hangs_up_inside = victim);
            }
            7 => {
                let victim = self.a_message(at);
                self.worlds[at]
                    .server
                    .with(|habits| habits.refuses_retr_of = victim);
            }
            8 => {
                let (lies, quit, uidl) =
                    (self.random.u64(..3), self.random.bool(), self.random.bool());
                self.worlds[at].server.with(|habits| {
                    habits.lies_by_octets = lies;
                    habits.loses_quit_reply = quit;
                    habits.hangs_up_in_uidl = uidl;
                });
            }
            14 => {
                let seconds = [1, 2, 5][self.random.usize(..3)];
                self.worlds[at]
                    .server
                    .with(|habits| habits.drips = Some((String::new(), seconds)));
            }
            15 => self.answers_oddly(at),
            16 => self.lies(at),
            _ if self.characters[at].names == Names::Counted => self.empty(at),
            _ => self.put(at),
        }
        self.watch.look(self.is_fair());
    }

    fn refuses_logins(&mut self, at: usize) {
        let code = ["[IN-USE] busy", "[SYS/TEMP] later", "[AUTH] no"];
        let words = code[self.random.usize(..3)].to_owned();
        self.worlds[at]
            .server
            .with(|habits| habits.refuses_login = Some(words));
    }

    fn answers_oddly(&mut self, at: usize) {
        let verb = VERBS[self.random.usize(..VERBS.len())];
        let odd = Odd::ALL[self.random.usize(..Odd::ALL.len())];
        // A server that sends part of a message and gives no size leaves no sign of it.
        let is_stump_hidden = verb == "LIST" && self.characters[at].bytes == Bytes::HandedOut;
        if is_stump_hidden {
            return;
        }
        let victim = self.a_new_message(at);
        let victim = victim.filter(|_| ["RETR", "DELE", "TOP"].contains(&verb));
        self.worlds[at]
            .server
            .with(|habits| habits.odd = Some((verb, victim, odd)));
    }

    fn lies(&mut self, at: usize) {
        let hundredths = [1, 50, 100, 103, 900][self.random.usize(..5)];
        let victim = self.a_new_message(at);
        let bytes = self.characters[at].bytes;
        self.worlds[at].server.with(|habits| match bytes {
            Bytes::Listed => habits.lists_hundredths = hundredths,
            Bytes::HandedOut => habits.cuts = victim,
        });
    }

    /// Whether honest mail of the first account is affected only by other accounts and refused
    /// senders.
    pub fn is_fair(&self) -> bool {
        let fails = *self.store.fails_one_in.lock().unwrap() > 0;
        !fails && self.boxes[0].mood.lock().unwrap().is_fair()
    }

    fn a_message(&mut self, at: usize) -> Option<String> {
        let came = &self.came[at];
        (!came.is_empty()).then(|| came[self.random.usize(..came.len())].unique_id.clone())
    }

    /// Usually a message that has not been retrieved yet.
    fn a_new_message(&mut self, at: usize) -> Option<String> {
        self.put(at);
        self.came[at].last().map(|mail| mail.unique_id.clone())
    }

    fn heal_server(&self, at: usize) {
        self.worlds[at].server.with(|habits| {
            habits.refuses_login = None;
            habits.hangs_up_inside = None;
            habits.refuses_retr_of = None;
            habits.drips = None;
            habits.lies_by_octets = 0;
            habits.lists_hundredths = 100;
            habits.cuts = None;
            habits.odd = None;
            habits.loses_quit_reply = false;
            habits.hangs_up_in_uidl = false;
        });
    }

    pub fn heal(&mut self) {
        (0..self.worlds.len()).for_each(|at| self.heal_server(at));
        for one in &self.boxes {
            *one.mood.lock().unwrap() = Mood::default();
        }
        *self.store.fails_one_in.lock().unwrap() = 0;
    }
}

/// The commands that may be answered oddly.
const VERBS: [&str; 10] = [
    "CAPA", "USER", "PASS", "UIDL", "LIST", "RETR", "RETR", "TOP", "DELE", "QUIT",
];
