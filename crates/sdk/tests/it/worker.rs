//! The worker against a scripted server, over real connections.

use crate::server::{Book, Server, client, problem, task};
use chancery_api::ProblemKind;
use chancery_api::worker::Report;
use chancery_base::Timestamp;
use chancery_base::limits::REPORT_NESTING_MAX;
use chancery_sdk::{Client, HandlerError, Task, Worker, WorkerError};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// A worker that runs until it is told to end.
struct Running {
    end: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), WorkerError>>,
}

impl Running {
    async fn end(self) -> Result<(), WorkerError> {
        assert!(self.end.send(()).is_ok() || self.ended.is_finished());
        tokio::time::timeout(Duration::from_secs(30), self.ended).await.expect("it ends within 30 s").unwrap()
    }
}

fn run(worker: Worker) -> Running {
    let (end, told) = oneshot::channel();
    #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
    let ended = tokio::spawn(worker.run(async move { drop(told.await) }));
    Running { end, ended }
}

fn worker(client: Client) -> Worker {
    Worker::new(client, "test").hold(Duration::from_millis(200))
}

/// Does what its input says.
async fn act(task: Task) -> Result<Value, HandlerError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Input {
        Answer(Value),
        Fail(String),
        Panic(String),
        Break,
        Sleep,
    }
    match task.input()? {
        Input::Answer(value) => Ok(value),
        Input::Fail(kind) => Err(HandlerError::refused(kind, "as it was told").with_detail(json!({"left": 0}))),
        Input::Panic(text) => panic!("{text}"),
        Input::Break => {
            let number: i64 = "x".parse()?;
            Ok(json!(number))
        }
        Input::Sleep => std::future::pending().await,
    }
}

fn told(report: &Report) -> Value {
    let mut value = serde_json::to_value(report).unwrap();
    value.as_object_mut().unwrap().remove("task");
    value
}

#[tokio::test]
async fn what_a_handler_says_is_reported() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let running = run(worker(client(listening.address)).handle("act", act));
    let error = |kind: &str, message: &str, unknown: bool, is_final: bool| json!({"error": {"type": kind, "message": message, "unknown": unknown, "final": is_final}});
    let mut failed = error("OutOfStock", "as it was told", false, true);
    failed["error"]["detail"] = json!({"left": 0});
    let mut odd = error("no-name-", "as it was told", false, true);
    odd["error"]["detail"] = json!({"left": 0});
    let late = error("Timeout", "the handler did not end before the task's deadline", true, false);
    let cases = [
        (json!({"answer": {"a": [1, null]}}), json!({"output": {"a": [1, null]}})),
        (json!({"answer": null}), json!({"output": null})),
        (json!({"fail": "OutOfStock"}), failed),
        (json!({"fail": "no name!"}), odd),
        (json!({"panic": "at the disco"}), error("Panic", "at the disco", true, false)),
        (json!("break"), error("Error", "invalid digit found in string", true, false)),
        (json!("sleep"), late),
    ];
    for (number, (input, wanted)) in cases.into_iter().enumerate() {
        let mut task = task(&format!("t{number}"), "act", input.clone());
        if input == json!("sleep") {
            task.deadline = Timestamp::EPOCH;
        }
        server.offer(task);
        let reports = server.reports(number + 1).await;
        assert_eq!(told(&reports[number]), wanted, "{input}");
    }
    server.offer(task("bad", "act", json!({"dance": 1})));
    let reports = server.reports(8).await;
    assert_eq!(reports[7].error.as_ref().unwrap().error_type, "BadInput");
    assert!(reports[7].error.as_ref().unwrap().is_final);
    running.end().await.unwrap();
}

#[tokio::test]
async fn what_stands_around_the_handlers_sees_every_task_and_has_the_last_word() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let counted = move |_| {
        let count = Arc::clone(&count);
        async move { Ok(count.fetch_add(1, Ordering::SeqCst)) }
    };
    let worker = worker(client(listening.address)).handle("twice", counted.clone()).handle("never", counted.clone());
    let worker = worker.around(|task, next| async move {
        match task.queue.as_str() {
            "twice" => {
                next.run(task.clone()).await?;
                next.run(task).await
            }
            _ => Err(HandlerError::refused("Closed", "nobody gets in")),
        }
    });
    // What is added later has nothing around it.
    let running = run(worker.handle("after", counted));
    for (number, queue) in ["twice", "never", "after"].into_iter().enumerate() {
        server.offer(task(queue, queue, Value::Null));
        server.reports(number + 1).await;
    }
    let reports = server.reports(3).await;
    assert_eq!(told(&reports[0]), json!({"output": 1}));
    assert_eq!(reports[1].error.as_ref().map(|error| error.error_type.as_str()), Some("Closed"));
    assert_eq!(told(&reports[2]), json!({"output": 2}));
    assert_eq!(handled.load(Ordering::SeqCst), 3);
    running.end().await.unwrap();
}

#[tokio::test]
async fn an_output_that_is_too_large_is_a_failure() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let worker = worker(client(listening.address)).handle("large", |_| async { Ok("x".repeat(1 << 20)) });
    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let worker = worker.handle("deep", move |_| async move { Ok(nested(REPORT_NESTING_MAX + 1)) });
    let worker = worker.handle("taken", move |_| async move { Ok(nested(REPORT_NESTING_MAX)) });
    let running = run(worker.handle("fraction", |_| async { Ok(1e300) }));
    for (task_id, queue) in [("t1", "large"), ("t2", "fraction"), ("t3", "deep"), ("t4", "taken")] {
        server.offer(task(task_id, queue, Value::Null));
    }
    let mut reports = server.reports(4).await;
    reports.sort_by(|a, b| a.task.cmp(&b.task));
    let taken = reports.pop().and_then(|report| report.output);
    assert_eq!(taken.map(|output| output.value().clone()), Some(nested(REPORT_NESTING_MAX)));
    for report in reports {
        let error = report.error.expect("none is taken");
        assert_eq!((error.error_type.as_str(), error.unknown), ("BadOutput", true));
    }
    running.end().await.unwrap();
}

#[tokio::test]
async fn many_tasks_run_at_once_and_each_is_done_once() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let (at_once, most, total) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), 200);
    let (now, peak) = (at_once.clone(), most.clone());
    let handler = move |task: Task| {
        let (now, peak) = (now.clone(), peak.clone());
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(3)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(task.idempotency_key)
        }
    };
    let running = run(worker(client(listening.address)).handle("many", handler).concurrency(16));
    for number in 0..total {
        server.offer(task(&format!("t{number}"), "many", Value::Null));
    }
    let mut tokens: Vec<String> = server.reports(total).await.into_iter().map(|report| report.task).collect();
    running.end().await.unwrap();
    assert_eq!(server.book().reports.len(), total);
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), total);
    assert!((2..=16).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[tokio::test]
async fn several_instances_share_the_concurrency_and_end_together() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let running = run(worker(client(listening.address)).handle("act", act).concurrency(7).instances(3));
    let want_of = |book: &Book, instance: &str| {
        let taking = book.exchanges.iter().find(|call| call.worker == instance && !call.queues.is_empty());
        taking.map(|call| call.queues[0].want)
    };
    for (instance, share) in [("test", 3), ("test/2", 2), ("test/3", 2)] {
        assert_eq!(server.until(|book| want_of(book, instance)).await, share, "{instance}");
    }
    running.end().await.unwrap();
}

#[tokio::test]
async fn one_that_is_refused_ends_all_instances() {
    let server = Server::default();
    server.book().refusals.push_back(problem(ProblemKind::Unauthenticated));
    let listening = server.listen(0).await;
    let running = run(worker(client(listening.address)).handle("act", act).instances(2));
    let ended = tokio::time::timeout(Duration::from_secs(30), running.ended).await.unwrap().unwrap();
    assert!(matches!(ended, Err(WorkerError::Refused { .. })), "{ended:?}");
}

#[tokio::test]
async fn outcomes_outlive_a_server_that_goes_away() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let address = listening.address;
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, goes) = (begun.clone(), go.clone());
    let handler = move |_| {
        let (begins, goes) = (begins.clone(), goes.clone());
        async move {
            begins.notify_one();
            goes.notified().await;
            Ok("kept")
        }
    };
    let running = run(worker(client(address)).handle("slow", handler));
    server.offer(task("t1", "slow", Value::Null));
    begun.notified().await;
    listening.stop().await;
    go.notify_one();
    // Long enough for the outcome to be there and calls to be lost.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let listening = server.listen(address.port()).await;
    let reports = server.reports(1).await;
    assert_eq!(told(&reports[0]), json!({"output": "kept"}));
    running.end().await.unwrap();
    listening.stop().await;
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let server = Server::default();
    let listening = server.listen(0).await;
    for kind in [ProblemKind::Unavailable, ProblemKind::TooMany, ProblemKind::Internal] {
        server.book().refusals.push_back(problem(kind));
    }
    let running = run(worker(client(listening.address)).handle("act", act));
    server.offer(task("t1", "act", json!({"answer": 1})));
    server.reports(1).await;
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_is_not_let_in_ends() {
    let server = Server::default();
    let listening = server.listen(0).await;
    server.book().refusals.push_back(problem(ProblemKind::Unauthenticated));
    let ended = worker(client(listening.address)).handle("act", act).run(std::future::pending()).await;
    assert!(matches!(ended, Err(WorkerError::Refused { .. })), "{ended:?}");
}

#[tokio::test]
async fn a_cancelled_task_is_dropped() {
    /// Says when it is dropped.
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let server = Server::default();
    let listening = server.listen(0).await;
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = dropped.clone();
    let handler = move |_| {
        let flag = Flag(flag.clone());
        async move {
            let _flag = flag;
            std::future::pending::<Result<(), HandlerError>>().await
        }
    };
    let running = run(worker(client(listening.address)).handle("endless", handler));
    server.offer(task("t1", "endless", Value::Null));
    server.until(|book| book.taken.contains("t1").then_some(())).await;
    {
        let mut book = server.book();
        book.out.clear();
        book.cancelled.push("t1".to_owned());
    }
    server.until(|_| dropped.load(Ordering::SeqCst).then_some(())).await;
    running.end().await.unwrap();
    // What it did until then nobody knows: it is undone now, not when its lease lapses.
    let reports = server.book().reports.clone();
    let error = reports[0].error.as_ref().unwrap();
    assert_eq!((reports.len(), error.error_type.as_str(), error.unknown), (1, "Cancelled", true));
}

#[tokio::test]
async fn a_worker_that_is_told_to_end_ends_what_it_began() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let begun = Arc::new(Notify::new());
    let begins = begun.clone();
    let handler = move |_| {
        let begins = begins.clone();
        async move {
            begins.notify_one();
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok("done")
        }
    };
    let running = run(worker(client(listening.address)).handle("slow", handler));
    server.offer(task("t1", "slow", Value::Null));
    begun.notified().await;
    running.end().await.unwrap();
    assert_eq!(server.book().reports.iter().map(told).collect::<Vec<_>>(), [json!({"output": "done"})]);
    server.offer(task("t2", "slow", Value::Null));
    let book = server.book();
    let last = book.exchanges.last().unwrap();
    assert!(last.queues.iter().all(|queue| queue.want == 0) && last.holding.is_empty(), "{last:?}");
}

#[tokio::test]
async fn outcomes_that_nobody_took_are_told_at_the_end() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let worker = worker(client(listening.address)).grace(Duration::from_millis(300));
    let running = run(worker.handle("act", act));
    server.offer(task("t1", "act", json!({"answer": 1})));
    server.until(|book| book.taken.contains("t1").then_some(())).await;
    listening.stop().await;
    let ended = running.end().await;
    // The outcome may have been reported before the server was stopped.
    let reported = server.book().reports.len();
    assert!(reported == 1 || matches!(ended, Err(WorkerError::Unreported { unreported: 1, .. })), "{ended:?}");
}

#[tokio::test]
async fn a_worker_without_handlers_or_room_does_not_begin() {
    let server = Server::default();
    let listening = server.listen(0).await;
    let client = client(listening.address);
    for worker in [
        Worker::new(client.clone(), "no handlers"),
        Worker::new(client.clone(), "").handle("act", act),
        Worker::new(client.clone(), "no room").handle("act", act).concurrency(0),
        Worker::new(client.clone(), "too much room").handle("act", act).handle("b", act).concurrency(4_096),
        Worker::new(client.clone(), "no name").handle("no name", act),
        Worker::new(client.clone(), "no instance").handle("act", act).instances(0),
        Worker::new(client.clone(), "too many instances").handle("act", act).instances(9),
        Worker::new(client.clone(), "less room than instances").handle("act", act).concurrency(1).instances(2),
        Worker::new(client.clone(), "x".repeat(127)).handle("act", act).instances(2),
    ] {
        let ended = worker.run(std::future::pending()).await;
        assert!(matches!(ended, Err(WorkerError::Begin { .. })), "{ended:?}");
    }
}
