// SPDX-License-Identifier: Apache-2.0
//! Who is polled for a wake. Everything runs in one future, and the runtime knows no more than that it was woken.
//!
//! hyper tells one half of itself of the other by a wake. The runtime would ask the kernel for news before it polls
//! again: one system call for each step of a request. So what woke itself is polled again at once ([`eagerly`]). And what
//! waits beside the requests is not polled with each of their steps, but for wakes of its own ([`when_woken`]).

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How often in a row, before the kernel's news have their turn.
const MOST: usize = 8;

const RESTING: u8 = 0;
const POLLED: u8 = 1;
const WOKEN: u8 = 2;

/// Keeps a wake to itself while the future is polled, since it is polled once more then.
struct Wakes {
    state: AtomicU8,
    outer: AtomicWaker,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let kept = self
            .state
            .compare_exchange(POLLED, WOKEN, Ordering::AcqRel, Ordering::Acquire);
        if kept == Err(RESTING) {
            self.outer.wake();
        }
    }
}

/// Runs `future` to its end.
pub(crate) async fn eagerly<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let wakes = Arc::new(Wakes {
        state: AtomicU8::new(RESTING),
        outer: AtomicWaker::new(),
    });
    let own = Waker::from(Arc::clone(&wakes));
    poll_fn(move |context| {
        wakes.outer.register(context.waker());
        for _ in 0..MOST {
            wakes.state.store(POLLED, Ordering::Release);
            let polled = future.as_mut().poll(&mut Context::from_waker(&own));
            let slept = wakes.state.swap(RESTING, Ordering::AcqRel) == POLLED;
            if polled.is_ready() || slept {
                return polled;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Remembers a wake until the future is polled for it.
struct Wanted {
    is_woken: AtomicBool,
    outer: AtomicWaker,
}

impl Wake for Wanted {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.outer.wake();
    }
}

/// Runs `future` to its end, and polls it only if it was woken.
pub(crate) async fn when_woken<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let wanted = Arc::new(Wanted {
        is_woken: AtomicBool::new(true),
        outer: AtomicWaker::new(),
    });
    let own = Waker::from(Arc::clone(&wanted));
    poll_fn(move |context| {
        wanted.outer.register(context.waker());
        if !wanted.is_woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        future.as_mut().poll(&mut Context::from_waker(&own))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    /// Counts its polls, and wakes itself in so many of them.
    async fn restless(polls: &Cell<usize>, times: usize) {
        poll_fn(|context| {
            polls.set(polls.get() + 1);
            if polls.get() > times {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Polls of the inner future in one poll of the outer, and whether that asks for another.
    fn first_poll(times: usize) -> (usize, Poll<()>, bool) {
        struct Woken(std::sync::atomic::AtomicBool);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let outer = Arc::new(Woken(false.into()));
        let polls = Cell::new(0);
        let mut future = pin!(eagerly(restless(&polls, times)));
        let waker = Waker::from(Arc::clone(&outer));
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        (polls.get(), polled, outer.0.load(Ordering::Relaxed))
    }

    #[test]
    fn what_wakes_itself_is_polled_again_at_once() {
        assert_eq!(first_poll(0), (1, Poll::Ready(()), false));
        assert_eq!(first_poll(3), (4, Poll::Ready(()), false));
    }

    #[test]
    fn what_never_rests_lets_others_have_their_turn() {
        assert_eq!(first_poll(1000), (MOST, Poll::Pending, true));
    }

    #[tokio::test]
    async fn a_wake_from_outside_arrives() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || sender.send("arrived"));
        assert_eq!(eagerly(receiver).await, Ok("arrived"));
        eagerly(tokio::time::sleep(Duration::from_millis(1))).await;
    }

    #[tokio::test]
    async fn what_was_not_woken_is_not_polled_again() {
        let polls = Cell::new(0);
        let (sender, mut receiver) = tokio::sync::oneshot::channel();
        let mut quiet = pin!(when_woken(poll_fn(|context| {
            polls.set(polls.get() + 1);
            pin!(&mut receiver).poll(context)
        })));
        poll_fn(|context| {
            for _ in 0..3 {
                assert!(quiet.as_mut().poll(context).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!(polls.get(), 1);
        sender.send("arrived").unwrap();
        assert_eq!(quiet.await, Ok("arrived"));
        assert_eq!(polls.get(), 2);
    }
}
