//! From numbers to places on paper, and the round numbers to write beside an axis.

/// How an axis runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps for equal differences.
    #[default]
    Linear,
    /// Equal steps for equal ratios.
    Log,
}

impl Scale {
    /// Whether a number has a place. The very largest have none: differences of theirs could not be computed.
    pub(super) fn has(self, x: f64) -> bool {
        x.abs() < 1e300 && (self == Scale::Linear || x > 0.0)
    }

    fn straight(self, x: f64) -> f64 {
        if self == Scale::Log { x.log10() } else { x }
    }

    fn back(self, x: f64) -> f64 {
        if self == Scale::Log { 10f64.powf(x) } else { x }
    }
}

/// An axis of known ends: the numbers from `low` to `high` on the paper from `from` to `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ruler {
    scale: Scale,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Ruler {
    /// Around all the numbers, with `room` (a fraction of their span) beyond them.
    pub(super) fn around(numbers: impl Iterator<Item = f64>, scale: Scale, room: f64, [from, to]: [f64; 2]) -> Ruler {
        let straight = numbers.filter(|&x| scale.has(x)).map(|x| scale.straight(x));
        let (low, high) = straight.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let (low, high) = match () {
            () if low > high => (0.0, 1.0),
            () if scale == Scale::Linear && low > 0.0 && low < 0.05 * high => (0.0, high), // nearly at zero: show it
            () => (low, high),
        };
        let middle = low + (high - low) / 2.0;
        let half = match (high - low) * (0.5 + room) {
            half if half > 1e-6 * middle.abs() => half,
            _ if scale == Scale::Log || middle == 0.0 => 0.5,
            _ => 0.1 * middle.abs(),
        };
        Ruler { scale, low: middle - half, high: middle + half, from, to }
    }

    /// The same paper, from one number to another.
    pub(super) fn between(self, [low, high]: [f64; 2]) -> Ruler {
        // Not the ends of a range that is none.
        let ends = self.scale.has(low) && self.scale.has(high) && low < high;
        if ends { Ruler { low: self.scale.straight(low), high: self.scale.straight(high), ..self } } else { self }
    }

    /// The same paper, with zero as one end if all numbers are on one side of it.
    pub(super) fn with_zero(self) -> Ruler {
        if self.low > 0.0 { Ruler { low: 0.0, ..self } } else { Ruler { high: self.high.max(0.0), ..self } }
    }

    /// Where a number is; beyond the ends is at the ends.
    pub(super) fn place(&self, x: f64) -> f64 {
        let part = ((self.scale.straight(x) - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.from + part * (self.to - self.from)
    }

    /// The numbers at the ends.
    pub(super) fn ends(&self) -> [f64; 2] {
        [self.low, self.high].map(|end| self.scale.back(end))
    }

    /// The powers of ten on a logarithmic axis, with where.
    pub(super) fn powers(&self) -> impl Iterator<Item = (f64, i32)> {
        let powers = self.low.ceil() as i32..=self.high.floor() as i32;
        powers.map(|power| (self.place(10f64.powi(power)), power))
    }

    /// Numbers to write, with where, about `count` of them; on a linear axis not closer than `least`.
    pub(super) fn ticks(&self, count: usize, least: f64) -> Vec<(f64, String)> {
        let (numbers, step) = match self.scale {
            Scale::Log if self.high - self.low >= 1.0 => (self.decades(count), 0.0),
            _ => {
                let (low, high) = (self.scale.back(self.low), self.scale.back(self.high));
                let step = round_step((high - low) / count.max(1) as f64).max(least);
                let first = (low / step - 1e-9).ceil();
                let numbers = (0..2 * count as u32).map(|k| (first + f64::from(k)) * step);
                (numbers.take_while(|&x| x <= high + 1e-9 * step).collect(), step)
            }
        };
        numbers.into_iter().map(|x: f64| (self.place(x), written(x, step))).collect()
    }

    /// Powers of ten, with their doubles and fives if they are few, or only every second, third, ... if they are many.
    fn decades(&self, count: usize) -> Vec<f64> {
        let (low, high) = (self.low - 1e-9, self.high + 1e-9);
        let powers = low.floor() as i32..=high.floor() as i32;
        let each = (high.floor() - low.ceil()).max(0.0) as usize;
        let each = each.div_ceil(count.max(1)).max(1);
        let parts: &[f64] = if high - low < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let first = if parts.len() > 1 { powers } else { low.ceil() as i32..=*powers.end() };
        let numbers = first.step_by(each).flat_map(|power| parts.iter().map(move |part| part * 10f64.powi(power)));
        numbers.filter(|number| (low..=high).contains(&number.log10())).collect()
    }
}

/// The next larger of 1, 2, 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|round| round * power >= step * (1.0 - 1e-9));
    round.unwrap_or(10.0) * power
}

/// As many decimals as the step needs, thousands apart; very large and very small numbers as powers of ten. A step of 0
/// is for the numbers of a logarithmic axis.
fn written(x: f64, step: f64) -> String {
    let magnitude = (x.abs().log10() + 1e-9).floor() as i32;
    let tiny = x.abs() < step / 1e6;
    match () {
        () if tiny || x == 0.0 => "0".into(),
        () if step == 0.0 && (-3..4).contains(&magnitude) => format!("{x:.*}", (-magnitude).max(0) as usize),
        () if step == 0.0 => {
            let part = (x / 10f64.powi(magnitude)).round();
            let part = if part == 1.0 { String::new() } else { format!("{part}·") };
            format!("{part}10{}", raised(magnitude))
        }
        () if magnitude >= 7 || step < 1e-5 => {
            let decimals = (f64::from(magnitude) - step.log10().floor()).max(0.0) as usize;
            format!("{:.decimals$}·10{}", x / 10f64.powi(magnitude), raised(magnitude))
        }
        () => grouped(&format!("{x:.*}", (-step.log10().floor()).max(0.0) as usize)),
    }
    .replace('-', "−")
}

/// Thin spaces between thousands, from five digits on.
fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let digits = whole.trim_start_matches('-');
    if digits.len() < 5 {
        return number.into();
    }
    let spaced = |(at, digit): (usize, char)| {
        let gap = at > 0 && (digits.len() - at).is_multiple_of(3);
        gap.then_some('\u{2009}').into_iter().chain([digit])
    };
    let sign = &whole[..whole.len() - digits.len()];
    sign.to_owned() + &digits.chars().enumerate().flat_map(spaced).collect::<String>() + rest
}

fn raised(power: i32) -> String {
    let digit = |digit: char| match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        other => char::from_u32('⁰' as u32 + other.to_digit(10).unwrap_or(0)).unwrap_or(other),
    };
    power.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale, low: f64, high: f64) -> Vec<String> {
        let ruler = Ruler::around([low, high].into_iter(), scale, 0.0, [0.0, 100.0]);
        ruler.ticks(5, 0.0).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn round_numbers() {
        assert_eq!(texts(Scale::Linear, 0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(Scale::Linear, -1.0, 1.0), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
        assert_eq!(
            texts(Scale::Linear, 0.0, 40_000.0),
            ["0", "10\u{2009}000", "20\u{2009}000", "30\u{2009}000", "40\u{2009}000"]
        );
        assert_eq!(texts(Scale::Linear, 9.81, 9.83), ["9.810", "9.815", "9.820", "9.825", "9.830"]);
        assert_eq!(texts(Scale::Linear, 0.0, 3e9), ["0", "1·10⁹", "2·10⁹", "3·10⁹"]);
        assert_eq!(
            texts(Scale::Linear, 0.0, 2e-6),
            ["0", "5·10⁻⁷", "1.0·10⁻⁶", "1.5·10⁻⁶", "2.0·10⁻⁶"].map(str::to_owned)
        );
        assert_eq!(texts(Scale::Log, 1e-5, 10.0), ["10⁻⁵", "0.001", "0.1", "10"]);
        assert_eq!(texts(Scale::Log, 0.03, 1.0), ["0.05", "0.1", "0.2", "0.5", "1"]);
        assert_eq!(texts(Scale::Log, 1e-5, 3e-4), ["10⁻⁵", "2·10⁻⁵", "5·10⁻⁵", "10⁻⁴", "2·10⁻⁴"]);
        assert_eq!(texts(Scale::Log, 0.5, 2.0).first().map(String::as_str), Some("0.5"));
    }

    #[test]
    fn every_range_has_ticks_on_the_paper() {
        let ends = [0.0, 1.0, -1.0, 1e-300, 1e300, -1e300, 5.0, 5.000001, f64::MIN_POSITIVE];
        for (low, high) in ends.iter().flat_map(|&low| ends.map(|high| (low, high))) {
            for scale in [Scale::Linear, Scale::Log] {
                let ruler = Ruler::around([low, high].into_iter(), scale, 0.05, [10.0, 90.0]);
                let ticks = ruler.ticks(5, 0.0);
                assert!(ticks.len() <= 12 && ticks.iter().all(|(at, _)| (10.0..=90.0).contains(at)), "{low} {high}");
                assert!(!scale.has(low) || (10.0..=90.0).contains(&ruler.place(low)), "{low} {high}");
            }
        }
        assert_eq!(Ruler::around(std::iter::empty(), Scale::Log, 0.0, [0.0, 1.0]).ticks(5, 0.0).len(), 4);
    }

    #[test]
    fn zero_is_an_end() {
        let ruler = |low, high| Ruler::around([low, high].into_iter(), Scale::Linear, 0.1, [0.0, 1.0]).with_zero();
        assert_eq!((ruler(5.0, 9.0).place(0.0), ruler(-9.0, -5.0).place(0.0)), (0.0, 1.0));
        assert!((ruler(-1.0, 1.0).place(0.0) - 0.5).abs() < 1e-12);
    }
}
