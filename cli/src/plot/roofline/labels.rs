//! Where labels of dots go: each as near to its dot as it can without covering another label, or a dot.

/// The middle of a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    /// Whether it is so far from its dot that a line should lead there.
    pub(super) is_far: bool,
}

/// From and to: left, top, right, bottom.
type Area = [f64; 4];

/// Distances to try, the directions at each, and the distance up to which a label is plainly its dot's.
const DISTANCES: [f64; 7] = [11.0, 16.0, 22.0, 30.0, 40.0, 52.0, 66.0];
const DIRECTIONS: u32 = 16;
const NEAR: f64 = 16.0;

/// Places for the texts of all dots on a paper, in their order; where there is no room, as near as can be.
pub(super) fn place(dots: &[(f64, f64)], texts: &[String], paper: Area) -> Vec<Place> {
    let mut taken: Vec<Area> = dots.iter().map(|&(x, y)| around(x, y, 4.5, 4.5)).collect();
    let mut places = vec![];
    for (&(x, y), text) in dots.iter().zip(texts) {
        let area = |place: &Place| around(place.x, place.y, 1.0 + 3.2 * text.len() as f64, 5.5);
        let is_free = |place: &Place| {
            let own = area(place);
            is_inside(own, paper) && !taken.iter().any(|other| overlap(own, *other))
        };
        let nearest = Place { x: x + DISTANCES[0], y, is_far: false };
        let place = candidates(x, y).find(is_free).unwrap_or(nearest);
        taken.push(area(&place));
        places.push(place);
    }
    places
}

/// To the right first, then around, then further out.
fn candidates(x: f64, y: f64) -> impl Iterator<Item = Place> {
    DISTANCES.into_iter().flat_map(move |distance| {
        (0..DIRECTIONS).map(move |turn| {
            let (sine, cosine) = (std::f64::consts::TAU * f64::from(turn) / f64::from(DIRECTIONS)).sin_cos();
            Place { x: x + distance * cosine, y: y - distance * sine, is_far: distance > NEAR }
        })
    })
}

fn around(x: f64, y: f64, across: f64, down: f64) -> Area {
    [x - across, y - down, x + across, y + down]
}

fn overlap(a: Area, b: Area) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

fn is_inside(a: Area, paper: Area) -> bool {
    a[0] >= paper[0] && a[1] >= paper[1] && a[2] <= paper[2] && a[3] <= paper[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_crowd_do_not_cover_each_other() {
        let dots: Vec<_> = (0..20).map(|i| (100.0 + f64::from(i % 5), 100.0 + f64::from(i / 5))).collect();
        let texts: Vec<String> = (1..=20).map(|n: u32| n.to_string()).collect();
        let places = place(&dots, &texts, [0.0, 0.0, 200.0, 200.0]);
        let areas: Vec<_> = places.iter().map(|place| around(place.x, place.y, 4.0, 5.5)).collect();
        for (i, a) in areas.iter().enumerate() {
            assert!(areas[i + 1..].iter().all(|b| !overlap(*a, *b)), "label {i}");
        }
        assert_eq!(place(&dots[..1], &texts, [0.0, 0.0, 1.0, 1.0])[0].x, 111.0, "no room at all");
    }
}
