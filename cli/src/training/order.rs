//! In which order a training visits its data.

use methods::{Noise, Purpose};
use tensor::ops::random::words;

/// Passes over `count` things, each in an order of its own, cut into batches. A function of the seed alone.
#[derive(Clone, Debug)]
pub struct Order {
    noise: Noise,
    count: usize,
    batch: usize,
    epoch: Option<u64>,
    permutation: Vec<usize>,
}

impl Order {
    /// Of `count` things, at least one, in batches of `batch`.
    pub fn new(seed: u64, count: usize, batch: usize) -> Order {
        Order { noise: Noise::new(seed), count, batch, epoch: None, permutation: (0..count).collect() }
    }

    /// The batch of a step. A pass that ends within a batch is followed by the next.
    pub fn batch(&mut self, step: u64) -> Vec<usize> {
        let first = step * self.batch as u64;
        (first..first + self.batch as u64).map(|place| self.at(place)).collect()
    }

    fn at(&mut self, place: u64) -> usize {
        let (epoch, within) = (place / self.count as u64, place % self.count as u64);
        if self.epoch != Some(epoch) {
            self.shuffle(epoch);
        }
        self.permutation[within as usize]
    }

    /// Fisher and Yates, from the same start for every epoch.
    fn shuffle(&mut self, epoch: u64) {
        let stream = self.noise.stream(Purpose::Shuffle, epoch as usize);
        self.permutation = (0..self.count).collect();
        for last in (1..self.count).rev() {
            let [low, high, ..] = words(&stream, last as u32, 0);
            let drawn = u64::from(high) << 32 | u64::from(low);
            // A multiple of the remainder's odds too large by count / 2^64: nobody will see it.
            self.permutation.swap(last, (drawn % (last as u64 + 1)) as usize);
        }
        self.epoch = Some(epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_visits_everything_once_in_another_order() {
        let mut order = Order::new(3, 10, 4);
        let visited: Vec<usize> = (0..5).flat_map(|step| order.batch(step)).collect();
        let (first, second) = visited.split_at(10);
        assert_ne!(first, second);
        for pass in [first, second] {
            let mut sorted = pass.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_eq!(Order::new(3, 10, 4).batch(3), visited[12..16]);
        assert_ne!(Order::new(4, 10, 4).batch(0), visited[..4]);
    }
}
