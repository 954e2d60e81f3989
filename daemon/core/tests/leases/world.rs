//! An API server with Leases, replicas around it, and a network between them that delays, loses and holds back.
//!
//! Time is true time in milliseconds; every replica has a clock of its own that starts anywhere and runs up to 1 % fast
//! or slow. The rules are checked after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use plumb_core::lease::{
    Lease, Now, Replica, Shard, Timing, Version,
    elector::{Answer, Ask},
    shards::{Shards, Term},
};

/// Between two looks of the world at itself.
const STEP: u64 = 20;
/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(6);

/// What can happen to a replica.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Does nothing for so long, as after SIGSTOP.
    Pause(u64),
    /// What it sends and what is sent to it waits for so long, or is lost.
    CutOff(u64),
    /// Ends at once; another one starts.
    Kill,
    /// Is told to stop; another one starts once it has.
    Stop,
    /// Somebody deletes a Lease by hand whose holder has ended, or that has none.
    DeleteLease,
}

/// Something on its way.
enum Message {
    Request { replica: usize, life: u32, id: u64, what: Request },
    Answer { replica: usize, life: u32, id: u64, answer: Reply },
    Event { replica: usize, life: u32, shard: Shard, lease: Option<(Lease, Version)> },
}

#[derive(Clone)]
enum Request {
    One(Shard, Ask),
    List,
}

enum Reply {
    One(Shard, Answer),
    List(BTreeMap<Shard, (Lease, Version)>),
}

struct Place {
    shards: Shards,
    count: u32,
    life: u32,
    started: f64,
    rate: f64,
    paused_until: u64,
    cut_until: u64,
    stopping: bool,
    /// Requests without an answer: when they were sent, by the own clock.
    open: BTreeMap<u64, (Duration, Request)>,
}

/// The whole world.
pub(crate) struct World {
    now: u64,
    random: u64,
    leases: BTreeMap<Shard, (Lease, Version)>,
    version: u64,
    /// Whether messages are delayed for long, and lost, without a particular reason.
    noisy: bool,
    replicas: Vec<Place>,
    /// By arrival.
    messages: BTreeMap<(u64, u64), Message>,
    sent: u64,
}

impl World {
    /// Makes a world with one replica for each number of shards.
    pub(crate) fn new(seed: u64, counts: &[u32]) -> Self {
        let mut world = Self {
            now: 0,
            random: seed,
            leases: BTreeMap::new(),
            version: 0,
            noisy: true,
            replicas: Vec::new(),
            messages: BTreeMap::new(),
            sent: 0,
        };
        for (index, count) in counts.iter().enumerate() {
            let replica = world.start(index, *count, 0);
            world.replicas.push(replica);
        }
        world
    }

    fn start(&mut self, index: usize, count: u32, life: u32) -> Place {
        let me = Replica::new(named(index, life));
        let timing = Timing::new(LEASE).expect("a lease's length");
        Place {
            shards: Shards::new(me, None, timing, count),
            count,
            life,
            started: self.random(1_000_000) as f64,
            rate: 0.99 + self.random(21) as f64 / 1000.0,
            paused_until: 0,
            cut_until: 0,
            stopping: false,
            open: BTreeMap::new(),
        }
    }

    fn name(&self, replica: usize) -> Replica {
        Replica::new(named(replica, self.replicas[replica].life))
    }

    /// Returns a number below `bound`.
    fn random(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn uptime(&self, replica: usize) -> Duration {
        let Place { started, rate, .. } = &self.replicas[replica];
        Duration::from_secs_f64((started + self.now as f64 * rate) / 1000.0)
    }

    fn clock(&mut self, replica: usize) -> Now {
        let seed = self.random(u64::MAX);
        let wall = Timestamp::from_microsecond(1_700_000_000_000_000 + self.uptime(replica).as_micros() as i64)
            .expect("a time of this century");
        Now { uptime: self.uptime(replica), wall, seed }
    }

    /// Runs for so long without any trouble.
    pub(crate) fn run_in_peace(&mut self, milliseconds: u64) {
        self.noisy = false;
        self.run(milliseconds, &[]);
    }

    /// Runs for so long, with faults at times from its beginning.
    pub(crate) fn run(&mut self, milliseconds: u64, faults: &[(u64, usize, Fault)]) {
        let begin = self.now;
        let mut faults: Vec<_> = faults.to_vec();
        faults.sort_by_key(|(at, ..)| *at);
        let mut faults = faults.into_iter().peekable();
        while self.now < begin + milliseconds {
            self.now += STEP;
            while let Some((_, replica, fault)) = faults.next_if(|(at, ..)| begin + at <= self.now) {
                self.befall(replica % self.replicas.len(), fault);
            }
            while let Some(entry) = self.messages.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let message = entry.remove();
                self.deliver(message);
            }
            for replica in 0..self.replicas.len() {
                self.turn(replica);
            }
            self.check();
        }
    }

    fn befall(&mut self, replica: usize, fault: Fault) {
        match fault {
            Fault::Pause(long) => self.replicas[replica].paused_until = self.now + long,
            Fault::CutOff(long) => self.replicas[replica].cut_until = self.now + long,
            Fault::Kill => self.replace(replica),
            Fault::Stop => {
                self.replicas[replica].stopping = true;
                self.replicas[replica].shards.stop();
            }
            Fault::DeleteLease => {
                // What is deleted while its holder lives is open to everybody at once: that is what the documents warn
                // of. Its holder may write already, or be on the way to it.
                let lives = |holder: &Replica| (0..self.replicas.len()).any(|index| self.name(index) == *holder);
                let is_unused = |lease: &Lease| !lease.holder.as_ref().is_some_and(lives);
                let shard = self.leases.iter().find(|(_, (lease, _))| is_unused(lease)).map(|(shard, _)| *shard);
                if let Some(shard) = shard {
                    self.leases.remove(&shard);
                    self.tell(shard);
                }
            }
        }
    }

    fn replace(&mut self, replica: usize) {
        let Place { count, life, .. } = self.replicas[replica];
        self.replicas[replica] = self.start(replica, count, life + 1);
    }

    /// Sends a message from or to a replica; while it is cut off, it waits or is lost.
    fn send(&mut self, replica: usize, message: Message) {
        let cut = self.replicas[replica].cut_until;
        let mut arrives = self.now + self.random(60);
        if self.noisy && self.random(40) == 0 {
            arrives += self.random(8000);
        }
        if self.now < cut {
            if self.random(2) == 0 {
                return;
            }
            arrives = cut + self.random(3000);
        } else if self.noisy && self.random(60) == 0 {
            return;
        }
        self.sent += 1;
        self.messages.insert((arrives, self.sent), message);
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Request { replica, life, id, what } => {
                let answer = match what {
                    Request::One(shard, ask) => Reply::One(shard, self.serve(shard, ask)),
                    Request::List => Reply::List(self.leases.clone()),
                };
                self.send(replica, Message::Answer { replica, life, id, answer });
            }
            Message::Answer { replica, life, id, answer } => {
                // One that is paused finds it when it goes on.
                if self.now < self.replicas[replica].paused_until {
                    let later = (self.replicas[replica].paused_until, self.sent + id);
                    self.messages.insert(later, Message::Answer { replica, life, id, answer });
                    return;
                }
                let now = self.clock(replica);
                let to = &mut self.replicas[replica];
                if to.life != life || to.open.remove(&id).is_none() {
                    return;
                }
                match answer {
                    Reply::One(shard, answer) => to.shards.answer(shard, answer, now),
                    Reply::List(leases) => to.shards.listed(Some(&leases), now),
                }
            }
            Message::Event { replica, life, shard, lease } => {
                let now = self.uptime(replica);
                let to = &mut self.replicas[replica];
                if to.life != life || self.now < to.paused_until {
                    return;
                }
                match lease {
                    Some((lease, version)) => to.shards.see(shard, &lease, &version, now),
                    None => to.shards.doubt(shard),
                }
            }
        }
    }

    /// Does as the API server does.
    fn serve(&mut self, shard: Shard, ask: Ask) -> Answer {
        let lease = match ask {
            Ask::Get => return Answer::Found(self.leases.get(&shard).cloned()),
            Ask::Create(lease) if !self.leases.contains_key(&shard) => lease,
            Ask::Update(lease, version) if self.leases.get(&shard).is_some_and(|(_, at)| *at == version) => lease,
            Ask::Create(_) | Ask::Update(..) => return Answer::Conflict,
        };
        self.version += 1;
        let version = Version::new(self.version.to_string());
        self.leases.insert(shard, (lease, version.clone()));
        self.tell(shard);
        Answer::Written(version)
    }

    fn tell(&mut self, shard: Shard) {
        let lease = self.leases.get(&shard).cloned();
        for replica in 0..self.replicas.len() {
            let life = self.replicas[replica].life;
            self.send(replica, Message::Event { replica, life, shard, lease: lease.clone() });
        }
    }

    /// Lets a replica do what it wants to do now.
    fn turn(&mut self, replica: usize) {
        if self.now < self.replicas[replica].paused_until {
            return;
        }
        self.give_up_waiting(replica);
        let now = self.clock(replica);
        let turn = self.replicas[replica].shards.poll(now);
        let list = turn.list.then_some(Request::List);
        for what in turn.asks.into_iter().map(|(shard, ask)| Request::One(shard, ask)).chain(list) {
            self.sent += 1;
            let (id, life) = (self.sent, self.replicas[replica].life);
            self.replicas[replica].open.insert(id, (now.uptime, what.clone()));
            self.send(replica, Message::Request { replica, life, id, what });
        }
        let Place { stopping, shards, .. } = &self.replicas[replica];
        if *stopping && shards.is_released() {
            self.replace(replica);
        }
    }

    fn give_up_waiting(&mut self, replica: usize) {
        let now = self.clock(replica);
        let after = Timing::new(LEASE).expect("a lease's length").request_timeout();
        let late = |(_, (sent, _)): &(&u64, &(Duration, Request))| now.uptime > *sent + after;
        let late: Vec<u64> = self.replicas[replica].open.iter().filter(late).map(|(id, _)| *id).collect();
        let to = &mut self.replicas[replica];
        for (_, what) in late.into_iter().filter_map(|id| to.open.remove(&id)) {
            match what {
                Request::One(shard, _) => to.shards.answer(shard, Answer::Failed, now),
                Request::List => to.shards.listed(None, now),
            }
        }
    }

    /// Returns who may write, paused or not: whoever is paused may go on at any moment.
    fn writers(&self) -> Vec<(usize, Term)> {
        let of = |index: usize| self.replicas[index].shards.tenures(self.uptime(index)).into_keys();
        (0..self.replicas.len()).flat_map(|index| of(index).map(move |term| (index, term))).collect()
    }

    fn check(&self) {
        let writers = self.writers();
        let shards: BTreeSet<Shard> = writers.iter().map(|(_, (shard, _))| *shard).collect();
        assert_eq!(shards.len(), writers.len(), "two write for one shard at {} ms: {writers:?}", self.now);
        let counts: BTreeSet<u32> = writers.iter().map(|(index, _)| self.replicas[*index].count).collect();
        assert!(counts.len() <= 1, "they divide the work differently at {} ms: {writers:?}", self.now);
    }

    /// Returns how many shards every replica may write for.
    pub(crate) fn shares(&self) -> Vec<usize> {
        let writers = self.writers();
        (0..self.replicas.len()).map(|index| writers.iter().filter(|(of, _)| *of == index).count()).collect()
    }

    /// Returns who has which shard for the how manieth time.
    pub(crate) fn terms(&self) -> Vec<(usize, Term)> {
        self.writers()
    }
}

fn named(replica: usize, life: u32) -> String {
    format!("replica-{replica}-{life}")
}
