//! Worker threads that run one function together (SPMD) with spin barriers between its phases.
//!
//! A training step has about ten phases of tens of microseconds; handing each over through a condition variable would
//! cost more than the work. Workers spin for a moment after a step, so that the next finds them awake, then park.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long an idle worker spins before it parks.
const SPIN: Duration = Duration::from_micros(200);
/// Spins at a barrier (tens of microseconds) before the thread offers its core to others: on a busy machine the worker it
/// waits for may need this very core, on a free one the offer costs nothing.
const SPINS_BEFORE_YIELD: u32 = 500;

type Job<'a> = dyn Fn(&Worker) + Sync + 'a;

/// A fixed number of threads; the caller of `run` is the first of them.
pub struct Pool {
    shared: Arc<Shared>,
    /// Only one job at a time, from whatever thread.
    turn: Mutex<()>,
    workers: Vec<JoinHandle<()>>,
    sleepers: Vec<Thread>,
}

struct Shared {
    threads: usize,
    /// Rises by one with every job.
    epoch: AtomicUsize,
    job: UnsafeCell<Option<*const Job<'static>>>,
    finished: AtomicUsize,
    parked: Vec<AtomicBool>,
    stopping: AtomicBool,
    arrived: AtomicUsize,
    generation: AtomicUsize,
    /// A worker panicked: the others leave their barriers by panicking too.
    broken: AtomicBool,
}

// `job` is written only by the thread that holds `turn`, before the epoch rises, and read after it rose.
unsafe impl Sync for Shared {}
unsafe impl Send for Shared {}

/// One thread's view of a running job.
pub struct Worker<'a> {
    /// 0 is the caller's thread.
    pub index: usize,
    pub count: usize,
    shared: &'a Shared,
}

impl Worker<'_> {
    /// Waits until all workers of the job have come here; what they wrote before is then visible to all.
    pub fn barrier(&self) {
        if self.count == 1 {
            return;
        }
        let shared = self.shared;
        let generation = shared.generation.load(Ordering::Acquire);
        if shared.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.count {
            shared.arrived.store(0, Ordering::Relaxed);
            shared.generation.store(generation.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0u32;
        while shared.generation.load(Ordering::Acquire) == generation {
            if shared.broken.load(Ordering::Relaxed) {
                panic!("another worker of the pool panicked");
            }
            pause(&mut spins);
        }
    }

    /// This worker's share of `0..items` in contiguous parts, and its end.
    pub fn share(&self, items: usize) -> std::ops::Range<usize> {
        share(items, self.count, self.index)
    }
}

/// Part `index` of `count` contiguous parts of `0..items`, sizes differing by one at most.
pub fn share(items: usize, count: usize, index: usize) -> std::ops::Range<usize> {
    let (small, larger) = (items / count, items % count);
    let first = index * small + index.min(larger);
    first..first + small + usize::from(index < larger)
}

#[inline]
fn pause(spins: &mut u32) {
    *spins += 1;
    if *spins > SPINS_BEFORE_YIELD { std::thread::yield_now() } else { std::hint::spin_loop() }
}

impl Pool {
    /// `threads` is at least 1; with 1 everything runs on the caller's thread.
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            threads,
            epoch: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            finished: AtomicUsize::new(0),
            parked: (0..threads).map(|_| AtomicBool::new(false)).collect(),
            stopping: AtomicBool::new(false),
            arrived: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        });
        let workers: Vec<_> = (1..threads)
            .map(|index| {
                let shared = shared.clone();
                std::thread::Builder::new()
                    .name(format!("sluice-worker-{index}"))
                    .spawn(move || work(&shared, index))
                    .expect("the system refused another thread")
            })
            .collect();
        let sleepers = workers.iter().map(|w| w.thread().clone()).collect();
        Pool { shared, turn: Mutex::new(()), workers, sleepers }
    }

    pub fn threads(&self) -> usize {
        self.shared.threads
    }

    /// Runs `job` once on every worker and returns when all are done. A panic of any worker comes out here.
    ///
    /// Denormal numbers count as zero meanwhile; the caller's own floating-point settings are restored.
    pub fn run(&self, job: impl Fn(&Worker) + Sync) {
        let _turn = self.turn.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let _flushing = FlushDenormals::new();
        let shared = &*self.shared;
        let caller = Worker { index: 0, count: shared.threads, shared };
        if shared.threads == 1 {
            job(&caller);
            return;
        }
        let job: &Job<'_> = &job;
        // The job outlives this call's wait below, which is all the workers need.
        let job: *const Job<'static> = unsafe { std::mem::transmute(job as *const Job<'_>) };
        unsafe { *shared.job.get() = Some(job) };
        shared.finished.store(0, Ordering::Relaxed);
        shared.epoch.fetch_add(1, Ordering::SeqCst);
        for (index, sleeper) in self.sleepers.iter().enumerate() {
            if shared.parked[index + 1].load(Ordering::SeqCst) {
                sleeper.unpark();
            }
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*job)(&caller) }));
        if outcome.is_err() {
            shared.broken.store(true, Ordering::Relaxed);
        }
        let mut spins = 0;
        while shared.finished.load(Ordering::Acquire) != shared.threads - 1 {
            pause(&mut spins);
        }
        unsafe { *shared.job.get() = None };
        if shared.broken.swap(false, Ordering::Relaxed) {
            shared.arrived.store(0, Ordering::Relaxed);
            match outcome {
                Err(panic) => resume_unwind(panic),
                Ok(()) => panic!("a worker of the pool panicked"),
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches its panics, so joining cannot fail.
            let _ = worker.join();
        }
    }
}

fn work(shared: &Shared, index: usize) {
    let _flushing = FlushDenormals::new();
    let mut epoch = 0;
    loop {
        wait_for_job(shared, index, epoch);
        epoch = epoch.wrapping_add(1);
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let worker = Worker { index, count: shared.threads, shared };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let job = unsafe { (*shared.job.get()).expect("a job is set before the epoch rises") };
            unsafe { (*job)(&worker) }
        }));
        if outcome.is_err() {
            shared.broken.store(true, Ordering::Relaxed);
        }
        shared.finished.fetch_add(1, Ordering::AcqRel);
    }
}

fn wait_for_job(shared: &Shared, index: usize, epoch: usize) {
    let start = Instant::now();
    let mut spins = 0u32;
    while shared.epoch.load(Ordering::Acquire) == epoch {
        pause(&mut spins);
        if spins.is_multiple_of(64) && start.elapsed() > SPIN {
            shared.parked[index].store(true, Ordering::SeqCst);
            while shared.epoch.load(Ordering::SeqCst) == epoch {
                std::thread::park();
            }
            shared.parked[index].store(false, Ordering::SeqCst);
        }
    }
}

/// Treats denormal numbers as zero on this thread while it lives: on many processors each costs over 100 cycles.
struct FlushDenormals {
    before: u64,
}

#[cfg(target_arch = "x86_64")]
impl FlushDenormals {
    fn new() -> Self {
        let mut before = 0u32;
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut before, options(nostack)) };
        // Bit 15 flushes results, bit 6 takes denormal operands as zero.
        Self::set(before | 0x8040);
        FlushDenormals { before: before as u64 }
    }

    fn set(value: u32) {
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &value, options(nostack, readonly)) };
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for FlushDenormals {
    fn drop(&mut self) {
        Self::set(self.before as u32);
    }
}

#[cfg(target_arch = "aarch64")]
impl FlushDenormals {
    fn new() -> Self {
        let before: u64;
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) before, options(nomem, nostack)) };
        // Bit 24 flushes results and takes denormal operands as zero, in f32 and f64.
        Self::set(before | (1 << 24));
        FlushDenormals { before }
    }

    fn set(value: u64) {
        // Without `nomem`: what is read and written before and after must stay there.
        unsafe { std::arch::asm!("msr fpcr, {}", in(reg) value, options(nostack)) };
    }
}

#[cfg(target_arch = "aarch64")]
impl Drop for FlushDenormals {
    fn drop(&mut self) {
        Self::set(self.before);
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl FlushDenormals {
    fn new() -> Self {
        FlushDenormals { before: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_everything_once() {
        for items in 0..40 {
            for count in 1..6 {
                let all: Vec<usize> = (0..count).flat_map(|i| share(items, count, i)).collect();
                assert_eq!(all, (0..items).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn barriers_order_phases() {
        let pool = Pool::new(3);
        let cells: Vec<AtomicUsize> = (0..3).map(|_| AtomicUsize::new(0)).collect();
        for round in 1..200 {
            pool.run(|worker| {
                cells[worker.index].store(round, Ordering::Relaxed);
                worker.barrier();
                assert!(cells.iter().all(|cell| cell.load(Ordering::Relaxed) == round));
                worker.barrier();
            });
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(3);
        for guilty in 0..3 {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.run(|worker| {
                    if worker.index == guilty {
                        panic!("on purpose");
                    }
                    worker.barrier();
                })
            }));
            assert!(outcome.is_err());
            let sum = AtomicUsize::new(0);
            pool.run(|worker| {
                sum.fetch_add(worker.index + 1, Ordering::Relaxed);
                worker.barrier();
            });
            assert_eq!(sum.load(Ordering::Relaxed), 6);
        }
    }

    #[test]
    fn workers_wake_after_parking() {
        let pool = Pool::new(2);
        let seen = AtomicUsize::new(0);
        pool.run(|_| {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        while !pool.shared.parked[1].load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        pool.run(|_| {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(seen.load(Ordering::Relaxed), 4);
    }

    /// Whether a product of normal numbers that is denormal comes out as zero, in both precisions.
    fn flushes() -> [bool; 2] {
        use std::hint::black_box;
        [black_box(1e-30f32) * black_box(1e-12f32) == 0.0, black_box(1e-200f64) * black_box(1e-115f64) == 0.0]
    }

    #[test]
    fn denormals_are_zero_inside_and_normal_outside() {
        for threads in [1, 3] {
            let pool = Pool::new(threads);
            pool.run(|_| assert_eq!(flushes(), [true; 2]));
            assert_eq!(flushes(), [false; 2]);
            let outcome = catch_unwind(AssertUnwindSafe(|| pool.run(|_| panic!("on purpose"))));
            assert!(outcome.is_err());
            assert_eq!(flushes(), [false; 2], "a panic leaves the caller's settings as they were");
        }
    }
}
