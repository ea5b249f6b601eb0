//! One request and its answer, on a thread of its own, so that the caller can give up at any moment: a socket that
//! stalls cannot be asked whether someone has cancelled.

use super::HubError;
use super::meter::Watch;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

/// How often a waiting caller looks whether it is still wanted.
pub(super) const POLL: Duration = Duration::from_millis(50);
/// Largest piece handed over at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that may wait for a slow disk.
const WAITING_PIECES: usize = 4;

/// First line and headers of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
}

/// What the thread tells, in this order: one head, pieces, one end.
pub(super) enum Event {
    Head(Result<Head, Box<ureq::Error>>),
    Piece(Vec<u8>),
    End(io::Result<()>),
}

/// Why there is no event.
#[derive(Debug)]
pub(super) enum Silence {
    Cancelled,
    Stalled,
}

/// A running request. Dropping it closes its connection.
pub(super) struct Exchange {
    agent: Agent,
    events: Receiver<Event>,
}

impl Exchange {
    /// `agent` serves this request alone: it is shut down with it.
    pub(super) fn start(agent: Agent, request: Request<()>) -> Result<Self, HubError> {
        let (sender, events) = sync_channel(WAITING_PIECES);
        let own_agent = agent.clone();
        std::thread::Builder::new()
            .name("softscope-transfer".to_owned())
            .spawn(move || carry_out(&own_agent, request, &sender))
            .map_err(HubError::Thread)?;
        Ok(Self { agent, events })
    }

    /// The next event; waits no longer than `patience`, and not for one that nobody wants.
    pub(super) fn next(&self, patience: Duration, watch: &dyn Watch) -> Result<Event, Silence> {
        let started = Instant::now();
        loop {
            if watch.is_cancelled() {
                return Err(Silence::Cancelled);
            }
            let left = patience.saturating_sub(started.elapsed());
            match self.events.recv_timeout(left.min(POLL)) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Err(Silence::Stalled),
                Err(RecvTimeoutError::Timeout) => {}
                // The thread ends after its last event only; should it ever not, the answer is over all the same.
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Event::End(Err(io::ErrorKind::UnexpectedEof.into())));
                }
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Wakes the thread where it reads; where it looks up a name it ends when that is done.
        self.agent.clone().shutdown();
    }
}

fn carry_out(agent: &Agent, request: Request<()>, events: &SyncSender<Event>) {
    let answer = match agent.run(request) {
        Ok(answer) => answer,
        Err(error) => {
            // A receiver that is gone has given up: nothing is left to tell, here and below.
            let _ = events.send(Event::Head(Err(Box::new(error))));
            return;
        }
    };
    let (head, body) = answer.into_parts();
    let head = Head {
        status: head.status.as_u16(),
        headers: head.headers,
    };
    if events.send(Event::Head(Ok(head))).is_err() {
        return;
    }
    let mut reader = body.into_reader();
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        match reader.read(&mut piece) {
            Ok(0) => {
                let _ = events.send(Event::End(Ok(())));
                return;
            }
            Ok(length) => {
                piece.truncate(length);
                if events.send(Event::Piece(piece)).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let _ = events.send(Event::End(Err(error)));
                return;
            }
        }
    }
}
