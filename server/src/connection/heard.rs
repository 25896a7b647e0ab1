//! What comes in on one WebSocket, below its messages: frames are counted, and a message that has
//! begun has so much time and so many bytes.
//!
//! The transport hands over whole messages. A peer may put thousands of empty frames into one, never
//! end it, or spend minutes on one that it may not send: all that is recognised here, by the heads of the
//! frames.
//!
//! Invariant: every frame, whatever it is, costs a token of the connection's bucket; no more of a
//! message is read than there is room for.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::bucket::Bucket;
use super::heads::{Flaw, Heads};
use crate::config::ConnectionSettings;
use crate::room::{Room, Taken};

/// Bytes of a message that take no room: as many as most messages have.
pub(crate) const SMALL_BYTES: usize = 16 << 10;

/// What one connection has said so far, for its two halves.
#[derive(Debug, Clone)]
pub(crate) struct Heard(Arc<Mutex<Said>>);

#[derive(Debug)]
struct Said {
    /// When something came last.
    last: Instant,
    /// When the message began that has not ended, and how many bytes of it came.
    open: Option<(Instant, u64)>,
    /// When reading was paused, if it is.
    paused: Option<Instant>,
    /// Bytes of a message.
    bytes_max: u64,
    /// Whose messages they are.
    owner: Arc<str>,
}

/// Why a connection on which nothing comes is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Not a single byte came.
    Silence,
    /// A message did not end.
    Message,
}

impl Heard {
    /// On a connection of which nothing is known yet.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Said {
            last: Instant::now(),
            open: None,
            paused: None,
            bytes_max: bytes_max as u64,
            owner: Arc::from(""),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who sends, and how long messages may be from now on.
    pub(crate) fn introduce(&self, owner: &str, bytes_max: usize) {
        let mut said = self.lock();
        (said.owner, said.bytes_max) = (Arc::from(owner), bytes_max as u64);
    }

    /// Whose messages they are.
    pub(crate) fn owner(&self) -> Arc<str> {
        Arc::clone(&self.lock().owner)
    }

    /// From now on nothing is read: that is not the peer's time.
    pub(crate) fn pause(&self) {
        self.lock().paused.get_or_insert_with(Instant::now);
    }

    /// Reading resumes.
    pub(crate) fn resume(&self) {
        let mut said = self.lock();
        let Some(paused) = said.paused.take() else {
            return;
        };
        let now = Instant::now();
        said.last = now;
        if let Some((since, _)) = &mut said.open {
            *since += now - paused;
        }
    }

    /// When the connection is given up, and why, if nothing more comes until then.
    pub(crate) fn due(&self, settings: &ConnectionSettings) -> (Instant, Overdue) {
        let said = self.lock();
        let silence = (said.last + settings.ping_interval * 3, Overdue::Silence);
        let Some((since, bytes)) = said.open else {
            return silence;
        };
        let pace = settings.message_bytes_per_second_min.max(1) as u64;
        let more = Duration::from_secs(bytes / pace);
        let message = (since + settings.message_timeout + more, Overdue::Message);
        if message.0 < silence.0 {
            message
        } else {
            silence
        }
    }
}

/// A stream whose frames are counted.
pub(crate) struct Counted<S> {
    stream: S,
    heard: Heard,
    heads: Heads,
    bucket: Bucket,
    /// Until nothing is owed to the bucket.
    owing: Option<Pin<Box<Sleep>>>,
    room: Taken,
    flaw: Option<Flaw>,
}

impl<S> fmt::Debug for Counted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").finish_non_exhaustive()
    }
}

impl<S> Counted<S> {
    /// A stream on which nothing has come yet.
    pub(crate) fn new(stream: S, heard: Heard, room: &Room, settings: &ConnectionSettings) -> Self {
        Self {
            stream,
            heard,
            heads: Heads::default(),
            bucket: Bucket::new(settings.frames_per_second_max),
            owing: None,
            room: room.of(""),
            flaw: None,
        }
    }

    /// Waits until more may be read.
    fn poll_may_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(flaw) = self.flaw {
            return Poll::Ready(Err(io::Error::other(flaw)));
        }
        while let Some(until) = self.bucket.owed_until() {
            let owing = self
                .owing
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            owing.as_mut().reset(until);
            ready!(owing.as_mut().poll(cx));
        }
        self.owing = None;
        let came = self.heard.lock().open.map_or(0, |(_, bytes)| bytes);
        let came = usize::try_from(came).unwrap_or(usize::MAX);
        if came > SMALL_BYTES {
            ready!(self.room.poll_reach(cx, came));
        }
        Poll::Ready(Ok(()))
    }

    /// Takes note of bytes that came, and gives how many of them are for the transport: what is against
    /// the rules is not, so that it is answered here.
    fn take_in(&mut self, bytes: &[u8]) -> usize {
        let came = self.heads.read(bytes);
        (0..came.frames).for_each(|_| self.bucket.take());
        let mut said = self.heard.lock();
        let now = Instant::now();
        said.last = now;
        if came.ended {
            said.open = None;
            self.room.clear();
        }
        if came.is_open {
            // What came before the message in the same read is little.
            let (_, so_far) = said.open.get_or_insert((now, 0));
            *so_far += bytes.len() as u64;
        }
        if came.announced > said.bytes_max {
            self.flaw = Some(Flaw::TooLong(said.bytes_max));
        }
        if said.open.is_some()
            && !Arc::ptr_eq(&said.owner, self.room.owner())
            && self.room.is_empty()
        {
            self.room.belongs_to(Arc::clone(&said.owner));
        }
        let Some((at, flaw)) = came.flaw else {
            return bytes.len();
        };
        self.flaw = Some(flaw);
        at
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_may_read(cx))?;
        let before = buffer.filled().len();
        ready!(pin!(&mut self.stream).poll_read(cx, buffer))?;
        let came = &buffer.filled()[before..];
        if came.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let good = self.take_in(came);
        buffer.set_filled(before + good);
        match self.flaw {
            // No bytes would be the end of the stream.
            Some(flaw) if good == 0 => Poll::Ready(Err(io::Error::other(flaw))),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    //! Guards against frames that cost nothing, messages without an end, and a flood that is let
    //! through.

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::heads::frame;
    use super::*;

    fn settings() -> ConnectionSettings {
        ConnectionSettings {
            frames_per_second_max: 10,
            ..ConnectionSettings::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_empty_frames_wait_like_others() {
        let (mut peer, stream) = tokio::io::duplex(1 << 20);
        let room = Room::new(1 << 20, 0);
        let mut stream = Counted::new(stream, Heard::new(1 << 20), &room, &settings());
        let mut read = async |count: usize| {
            let bytes = frame(0x89, 0).repeat(count);
            peer.write_all(&bytes).await.unwrap();
            let begun = Instant::now();
            for _ in 0..count {
                stream.read_exact(&mut [0; 6]).await.unwrap();
            }
            begun.elapsed().as_secs_f64()
        };
        assert_eq!(read(50).await, 0.0, "a burst of five seconds");
        let took = read(20).await;
        assert!((1.8..2.2).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_has_its_time_and_silence_another_one() {
        let settings = ConnectionSettings {
            message_timeout: Duration::from_secs(30),
            message_bytes_per_second_min: 1_000,
            ..settings()
        };
        let (mut peer, stream) = tokio::io::duplex(1 << 20);
        let (heard, room) = (Heard::new(1 << 20), Room::new(1 << 20, 0));
        let mut stream = Counted::new(stream, heard.clone(), &room, &settings);
        let begun = Instant::now();
        let due = |heard: &Heard| {
            let (at, why) = heard.due(&settings);
            ((at - begun).as_secs(), why)
        };
        assert_eq!(due(&heard), (60, Overdue::Silence));
        let bytes = frame(0x82, 40_000);
        peer.write_all(&bytes[..20_000]).await.unwrap();
        stream.read_exact(&mut [0; 20_000]).await.unwrap();
        assert_eq!(due(&heard), (50, Overdue::Message), "20 KB take 20 s more");
        // What the server does meanwhile is not the peer's time.
        heard.pause();
        tokio::time::advance(Duration::from_secs(100)).await;
        heard.resume();
        assert_eq!(due(&heard), (150, Overdue::Message));
        peer.write_all(&bytes[20_000..]).await.unwrap();
        stream.read_exact(&mut [0; 20_008]).await.unwrap();
        assert_eq!(due(&heard), (160, Overdue::Silence));
    }

    #[tokio::test]
    async fn a_message_is_no_longer_than_its_sender_may_send() {
        let (mut peer, stream) = tokio::io::duplex(1 << 20);
        let (heard, room) = (Heard::new(1_000), Room::new(1 << 20, 0));
        let mut stream = Counted::new(stream, heard.clone(), &room, &settings());
        let mut read = async |bytes: &[u8]| {
            peer.write_all(bytes).await.unwrap();
            let mut came = [0; 64 << 10];
            let first = stream.read(&mut came).await.map(|_| ());
            assert!(first.is_ok());
            peer.write_all(&frame(0x89, 0)).await.unwrap();
            stream
                .read(&mut came)
                .await
                .map_err(|error| error.to_string())
        };
        assert!(read(&frame(0x82, 1_000)).await.is_ok());
        heard.introduce("ada", 5_000);
        assert!(read(&frame(0x82, 4_000)).await.is_ok());
        let parts = [&frame(0x02, 3_000)[..], &frame(0x80, 3_000)[..8]].concat();
        let error = read(&parts).await.unwrap_err();
        assert_eq!(error, "a message of more than 5000 bytes");
    }
}
