//! Many jobs, few commits; and no job is hurt by its neighbours.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use store::{Db, Options, StoreError, Tx, params};

use crate::house::{House, both};

both!(
    jobs_that_wait_share_a_commit,
    a_failing_job_is_undone_alone,
    a_panicking_job_is_undone_alone_and_the_writer_lives_on,
    a_swallowed_error_still_undoes_the_job,
    a_full_queue_says_busy_and_loses_nothing,
    a_reader_cannot_write,
    an_answer_means_that_others_can_read_it,
    the_last_handle_lets_queued_jobs_finish,
);

#[derive(Debug, thiserror::Error)]
#[error("not today")]
struct NotToday;

fn put(tx: &mut Tx<'_>, n: i64) -> Result<(), StoreError> {
    tx.execute("INSERT INTO scratch (n) VALUES ($1)", params![n])?;
    Ok(())
}

/// Holds the writer in a job until the returned sender is used or dropped.
pub(crate) async fn hold(db: &Db) -> (SyncSender<()>, tokio::task::JoinHandle<Result<(), StoreError>>) {
    let (release, gate) = sync_channel::<()>(1);
    let (entered, inside) = tokio::sync::oneshot::channel();
    let (gate, entered) = (Arc::new(Mutex::new(gate)), Mutex::new(Some(entered)));
    let db = db.clone();
    let held = tokio::spawn(async move {
        db.write(move |_| {
            if let Some(entered) = entered.lock().unwrap().take() {
                entered.send(()).unwrap();
            }
            let gate: &Receiver<()> = &gate.lock().unwrap();
            let _ = gate.recv();
            Ok(())
        })
        .await
    });
    inside.await.unwrap();
    (release, held)
}

type Job<T> = Box<dyn FnMut(&mut Tx<'_>) -> Result<T, StoreError> + Send>;

/// Queues jobs behind a held writer, so that they share one batch, and gives their answers.
async fn together<T: Send + 'static>(house: &House, jobs: Vec<Job<T>>) -> Vec<Result<T, StoreError>> {
    let (release, held) = hold(&house.db).await;
    let mut waiting = Vec::new();
    for mut job in jobs {
        let db = house.db.clone();
        let (queued, sent) = tokio::sync::oneshot::channel();
        waiting.push(tokio::spawn(async move {
            let answer = db.write(move |tx| job(tx));
            tokio::pin!(answer);
            // The first poll puts the job in the queue; then the next may come.
            let first = std::future::poll_fn(|cx| std::task::Poll::Ready(answer.as_mut().poll(cx))).await;
            queued.send(()).unwrap();
            match first {
                std::task::Poll::Ready(answer) => answer,
                std::task::Poll::Pending => answer.await,
            }
        }));
        sent.await.unwrap();
    }
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for job in waiting {
        answers.push(job.await.unwrap());
    }
    answers
}

async fn jobs_that_wait_share_a_commit(house: House) {
    house.scratch().await;
    let before = house.db.counts();
    let jobs = (0..130).map(|n| Box::new(move |tx: &mut Tx<'_>| put(tx, n)) as Box<_>).collect();
    let answers = together(&house, jobs).await;
    assert!(answers.iter().all(Result::is_ok));
    let after = house.db.counts();
    assert_eq!(after.jobs - before.jobs, 131);
    // One for the job that held the writer, then 64 + 64 + 2.
    assert_eq!(after.commits - before.commits, 4);
    assert_eq!(house.scribbled().await, (0..130).collect::<Vec<_>>());
}

async fn a_failing_job_is_undone_alone(house: House) {
    house.scratch().await;
    let answers = together(
        &house,
        vec![
            Box::new(|tx: &mut Tx<'_>| put(tx, 1)) as Box<_>,
            Box::new(|tx: &mut Tx<'_>| {
                put(tx, 2)?;
                Err(StoreError::refuse(NotToday))
            }),
            Box::new(|tx: &mut Tx<'_>| {
                put(tx, 3)?;
                put(tx, 1)
            }),
            Box::new(|tx: &mut Tx<'_>| put(tx, 4)),
        ],
    )
    .await;
    assert!(answers[0].is_ok() && answers[3].is_ok());
    assert!(answers[1].as_ref().unwrap_err().refusal::<NotToday>().is_some());
    assert!(matches!(answers[2], Err(StoreError::Conflict { .. })));
    assert_eq!(house.scribbled().await, [1, 4]);
    assert_eq!(house.db.counts().reruns, 0, "a job's own failure does not cost its neighbours a second run");
}

async fn a_panicking_job_is_undone_alone_and_the_writer_lives_on(house: House) {
    house.scratch().await;
    let answers = together(
        &house,
        vec![
            Box::new(|tx: &mut Tx<'_>| put(tx, 1)) as Box<_>,
            Box::new(|tx: &mut Tx<'_>| {
                put(tx, 2)?;
                panic!("a panic that this test wants")
            }),
            Box::new(|tx: &mut Tx<'_>| put(tx, 3)),
        ],
    )
    .await;
    assert!(matches!(answers[1], Err(StoreError::Panicked)));
    assert_eq!(house.scribbled().await, [1, 3]);
    house.db.write(|tx| put(tx, 5)).await.unwrap();

    let panicked = house.db.read(|_| -> Result<(), _> { panic!("another that this test wants") }).await;
    assert!(matches!(panicked, Err(StoreError::Panicked)));
    assert_eq!(house.scribbled().await, [1, 3, 5]);
}

async fn a_swallowed_error_still_undoes_the_job(house: House) {
    house.scratch().await;
    let answer = house
        .db
        .write(|tx| {
            put(tx, 1)?;
            let _ = put(tx, 1);
            assert!(put(tx, 2).is_err(), "after an error of the engine nothing more is done");
            Ok(())
        })
        .await;
    assert!(matches!(answer, Err(StoreError::Conflict { .. })));
    assert_eq!(house.scribbled().await, [] as [i64; 0]);
}

async fn a_full_queue_says_busy_and_loses_nothing(house: House) {
    house.scratch().await;
    let small = Db::open_with(
        &house.kind.url(),
        &house.world,
        &Options { readers: 1, queue: 2, ..Options::default() },
    )
    .unwrap();
    let (release, held) = hold(&small).await;
    let mut waiting = Vec::new();
    let mut busy = 0;
    for n in 0..5 {
        let job = small.clone();
        let mut answer = Box::pin(async move { job.write(move |tx| put(tx, n)).await });
        match std::future::poll_fn(|cx| std::task::Poll::Ready(answer.as_mut().poll(cx))).await {
            std::task::Poll::Ready(Err(StoreError::Busy)) => busy += 1,
            std::task::Poll::Ready(other) => panic!("{other:?}"),
            std::task::Poll::Pending => waiting.push(answer),
        }
    }
    assert_eq!((waiting.len(), busy), (2, 3));
    drop(release);
    held.await.unwrap().unwrap();
    for answer in waiting {
        answer.await.unwrap();
    }
    assert_eq!(house.scribbled().await, [0, 1]);
}

async fn a_reader_cannot_write(house: House) {
    house.scratch().await;
    let answer = house.db.read(|tx| tx.rows("INSERT INTO scratch (n) VALUES (1) RETURNING n", &[])).await;
    assert!(matches!(answer, Err(StoreError::ReadOnly)), "{answer:?}");
    assert_eq!(house.scribbled().await, [] as [i64; 0]);
}

async fn an_answer_means_that_others_can_read_it(house: House) {
    house.scratch().await;
    for n in 0..50 {
        house.db.write(move |tx| put(tx, n)).await.unwrap();
        assert_eq!(house.scribbled().await.len() as i64, n + 1);
    }
}

async fn the_last_handle_lets_queued_jobs_finish(house: House) {
    house.scratch().await;
    let own = Db::open(&house.kind.url(), &house.world).unwrap();
    let mut waiting = Vec::new();
    for n in 0..20 {
        let own = own.clone();
        waiting.push(tokio::spawn(async move { own.write(move |tx| put(tx, n)).await }));
    }
    for job in waiting {
        job.await.unwrap().unwrap();
    }
    drop(own);
    assert_eq!(house.scribbled().await.len(), 20);
}
