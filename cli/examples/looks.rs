//! Writes a report and its plots with made-up numbers and pictures, to look at: `cargo run -p consort --example looks`
//! puts them in the folder that is given, or in `runs/looks`.

use consort::nn::files;
use consort::plot::Plot;
use consort::preset::{self, CmadPreset};
use consort::report::{AGENTS, Panel, Report, sheet, tint};
use consort::{Record, tensor};
use std::path::PathBuf;

const SIDE: usize = 28;

fn main() -> anyhow::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or("runs/looks".into()));
    std::fs::create_dir_all(&folder)?;
    for (name, plot) in [("loss", loss()), ("agents", agents()), ("digits", digits())] {
        files::write(&folder.join(format!("{name}.svg")), plot.svg().as_bytes())?;
    }
    files::write(&folder.join("report.html"), report()?.as_bytes())?;
    println!("in {}", folder.display());
    Ok(())
}

fn report() -> anyhow::Result<String> {
    let preset: CmadPreset = preset::load(&Default::default())?;
    let record = Record::new("compose", "cmad", &tensor::Device::cpu(2), 3).with_preset(&preset)?;
    let record = record.with_derived("tilt", preset.lambda[0]);
    let many = |noise: f32| -> Vec<f32> { (0..36).flat_map(|seed| three(seed, noise)).collect() };
    let large = |images: &[f32], label: &str| {
        let picture = sheet(images, [36, 1, SIDE, SIDE], 6)?;
        Panel::new(&picture, 2, label)
    };
    let own = |agent: usize, noise: f32, zoom: usize, label: &str| {
        let (seed, noise) = (7 + 11 * agent as u32, noise);
        let image = tint(&three(seed, noise), [SIDE, SIDE], &stripe(agent), AGENTS[agent]);
        Panel::new(&sheet(&image, [1, 3, SIDE, SIDE], 1)?, zoom, label)
    };
    let whole = |noise: f32, zoom: usize, label: &str| {
        Panel::new(&sheet(&three(7, noise), [1, 1, SIDE, SIDE], 1)?, zoom, label)
    };
    let times = [1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1, 0.0_f32];
    let label = |t: f32| format!("t = {t:.1}");
    let mut strips =
        vec![("aggregate", times.map(|t| whole(3.0 * t, 3, &label(t))).into_iter().collect::<Result<Vec<_>, _>>()?)];
    for (agent, name) in ["agent 1", "agent 2", "agent 3"].into_iter().enumerate() {
        strips.push((name, times.map(|t| own(agent, 3.0 * t, 3, "")).into_iter().collect::<Result<_, _>>()?));
    }
    let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
    let report = Report::new("Three agents make a 3", "Made-up pictures and numbers, to see how a report looks: cooperative multi-agent diffusion, joint scheme.")
        .number("judge's accuracy", "97.2 %")
        .number("mean terminal cost Ψ", "0.0213")
        .number("mean seam", "0.084")
        .number("Fréchet distance (floor 0.4)", "6.31")
        .number("36 samples, 100 steps", "38.4 s")
        .section("What they make together")
        .prose("Each agent is the same frozen denoiser and owns one stripe of the picture. Alone it knows nothing of the others; its control, trained with theirs, sees what they have made so far. Run it without controls with `--set lambda=1e6`.")
        .figure(&[large(&many(0.9), "before optimisation")?, large(&many(0.0), "after")?], "36 aggregates from the same noise, without controls and with them.")
        .section("Each agent's own canvas")
        .figure(&[whole(0.0, 6, "aggregate")?, own(0, 0.2, 6, "agent 1")?, own(1, 0.2, 6, "agent 2")?, own(2, 0.2, 6, "agent 3")?], "One sample. The coloured rows are what the agent contributes; the rest of its canvas is its own idea of the digit.")
        .section("Over time")
        .rows(&strips, "The look-ahead to the clean picture from pure noise at t = 1 to the end.")
        .section("How good they are")
        .table(
            &["method", "Ψ", "accuracy", "Fréchet", "diversity"],
            &[row(["joint", "0.021", "97.2 %", "6.31", "4.12"]), row(["control-wise", "0.034", "95.9 %", "6.80", "4.40"]), row(["posterior sampling (`cdps`)", "0.310", "90.1 %", "9.93", "5.02"])],
            "Means over 1024 samples from the same start noise, each method with 500 network evaluations a sample.",
        )
        .plot(&agents(), "Terminal cost by the number of agents, with 95 % bootstrap intervals over samples.")
        .plot(&digits(), "Classes the judge sees, with 95 % intervals.")
        .plot(&loss(), "Training loss.");
    Ok(report.repeat(&record)?.html())
}

fn loss() -> Plot {
    let curve = |floor: f64| {
        (1..40_000).map(move |k| (f64::from(k), floor + 0.9 / (1.0 + f64::from(k) / 300.0) * (1.0 + 0.3 * random(k))))
    };
    let band = move |floor| curve(floor).map(|(x, y)| (x, y, [0.9 * y, 1.1 * y]));
    Plot::new("update", "loss").log_y().line("training", band(0.05)).line("moving average", curve(0.03))
}

fn agents() -> Plot {
    let points =
        [(1.0, 0.42, [0.38, 0.47]), (2.0, 0.55, [0.5, 0.62]), (3.0, 0.71, [0.63, 0.8]), (4.0, 0.74, [0.7, 0.82])];
    let lower = |by: f64| points.map(|(x, y, [low, high])| (x, y - by, [low - by, high - by]));
    let plot = Plot::new("agents", "terminal cost Ψ")
        .line_with_points("joint", lower(0.1))
        .line_with_points("control-wise", points);
    plot.points("posterior sampling", lower(-0.2)).line_across("free samples of this class", 0.25)
}

fn digits() -> Plot {
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let share = |seed: u32| {
        (0..10).map(move |digit| {
            (0.1 + 0.05 * random(digit + seed), Some([0.09, 0.11].map(|end| end + 0.05 * random(digit + seed))))
        })
    };
    let plot = Plot::new("digit", "share").bars("samples", &names, share(3)).bars("test set", &names, share(55));
    plot.line_across("equal shares", 0.1)
}

/// A number in [-0.5, 0.5) that looks random.
fn random(k: u32) -> f64 {
    f64::from(k.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24) - 0.5
}

/// Something like a 3, in [-1, 1], under noise.
fn three(seed: u32, noise: f32) -> Vec<f32> {
    let wobble = |k: u32| random(seed * 7 + k) as f32 * 4.0;
    let arcs = [(13.0 + wobble(1), 9.0 + wobble(2) / 2.0), (13.5 + wobble(3), 18.5 + wobble(4) / 2.0)];
    let ink = |x: f32, y: f32| {
        arcs.iter().fold(0.0_f32, |most, &(left, top)| {
            let (dx, dy) = (x - left, y - top);
            let open = dx < -2.0 && (dy.abs() < 4.0);
            let on = ((dx * dx + dy * dy).sqrt() - 5.0).abs();
            most.max(if open { 0.0 } else { (1.8 - on).clamp(0.0, 1.0) })
        })
    };
    (0..SIDE * SIDE)
        .map(|at| {
            let (x, y) = ((at % SIDE) as f32, (at / SIDE) as f32);
            2.0 * ink(x, y) - 1.0 + noise * 1.4 * random(at as u32 * 31 + seed * 1013 + (noise * 97.0) as u32) as f32
        })
        .collect()
}

fn stripe(agent: usize) -> Vec<f32> {
    let rows = [0..10, 10..19, 19..28][agent].clone();
    (0..SIDE * SIDE).map(|at| if rows.contains(&(at / SIDE)) { 1.0 } else { 0.0 }).collect()
}
