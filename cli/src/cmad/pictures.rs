//! The pictures of a run: digits on a sheet, what each agent drew, and the first sample over time (the paper's Figures 1
//! and 3).

use super::play::{Frame, Outcome};
use super::{SIDE, Terms};
use crate::plot::Plot;
use crate::report::{AGENTS, Panel, Report, sheet, tint};
use data::grid::Grid;
use data::png_io::Picture;

/// Images in a strip.
const STRIP: usize = 10;

/// What the pictures are made of.
pub struct Pictures<'a> {
    /// The run.
    pub outcome: &'a Outcome,
    /// The same samples, the same noise, nobody steering.
    pub free: &'a Outcome,
    /// Who draws each pixel of the object, `[28 * 28]`.
    pub owners: &'a [usize],
    /// What was asked.
    pub terms: &'a Terms,
}

impl Pictures<'_> {
    /// All digits, on one sheet.
    pub fn samples(&self) -> data::Result<Picture> {
        let n = self.outcome.count();
        sheet(&self.outcome.objects, [n, 1, SIDE, SIDE], 0)
    }

    /// What the same noise becomes without control (left) and under it (right), large.
    pub fn before_and_after(&self) -> data::Result<Picture> {
        let [before, after] = self.sheets()?;
        let Picture { width, height, .. } = before;
        let planes = |sheet: &Picture| {
            let plane =
                |channel| sheet.bytes.iter().skip(channel).step_by(3).map(|&byte| f32::from(byte) / 127.5 - 1.0);
            (0..3).flat_map(plane).collect::<Vec<f32>>()
        };
        let both = [planes(&before), planes(&after)].concat();
        Grid { columns: 2, scale: 3, border: 6, background: 255 }.picture(&both, [2, 3, height, width])
    }

    /// The first objects without control, and under it.
    fn sheets(&self) -> data::Result<[Picture; 2]> {
        let count = self.free.count();
        let after = &self.outcome.objects[..count * SIDE * SIDE];
        Ok([self.colours(&self.free.objects, count)?, self.colours(after, count)?])
    }

    /// The report with the figures.
    pub fn add_to(&self, report: Report) -> data::Result<Report> {
        let report = report.section("Before and after");
        let [before, after] = self.sheets()?;
        let panels = [Panel::new(&before, 3, "each agent by itself")?, Panel::new(&after, 3, "together")?];
        let caption = format!(
            "The object that the agents' parts make, from the same noise: without control, and under it. A colour is an \
             agent's part. All are asked for a {}.",
            self.terms.target
        );
        let report = report.figure(&panels, &caption).section("All of them");
        let scale = if self.outcome.count() > 100 { 1 } else { 2 };
        let report = report.figure(&[Panel::new(&self.samples()?, scale, "")?], "Every object that was made.");
        let report = self.canvases(report.section("What each agent draws"))?;
        let report = self.film(report.section("Over time"))?;
        Ok(self.effort(report))
    }

    /// Digits with every pixel in its agent's colour.
    fn colours(&self, images: &[f32], count: usize) -> data::Result<Picture> {
        sheet(&self.tinted(images), [count, 3, SIDE, SIDE], 0)
    }

    /// `[n, 3, 28, 28]`.
    fn tinted(&self, images: &[f32]) -> Vec<f32> {
        let agents = self.outcome.canvases.len();
        let layers: Vec<Vec<f32>> = (0..agents).map(|i| tint(images, [SIDE; 2], &self.mask(i), colour(i))).collect();
        let pixels = SIDE * SIDE;
        (0..images.len() / pixels * 3 * pixels).map(|at| layers[self.owners[at % pixels]][at]).collect()
    }

    /// 1 where agent `i` draws.
    fn mask(&self, i: usize) -> Vec<f32> {
        self.owners.iter().map(|&owner| f32::from(u8::from(owner == i))).collect()
    }

    /// One image of agent `i`, its part in its colour.
    fn own(&self, image: &[f32], i: usize, label: &str) -> data::Result<Panel> {
        let tinted = tint(image, [SIDE; 2], &self.mask(i), colour(i));
        Panel::new(&sheet(&tinted, [1, 3, SIDE, SIDE], 0)?, 2, label)
    }

    fn whole(&self, image: &[f32], label: &str) -> data::Result<Panel> {
        Panel::new(&sheet(&self.tinted(image), [1, 3, SIDE, SIDE], 0)?, 2, label)
    }

    fn canvases(&self, report: Report) -> data::Result<Report> {
        let shown = self.outcome.count().min(STRIP);
        let image = |images: &[f32], n: usize| images[n * SIDE * SIDE..(n + 1) * SIDE * SIDE].to_vec();
        let names: Vec<String> = (1..=self.outcome.canvases.len()).map(|i| format!("agent {i}")).collect();
        let mut rows = Vec::new();
        for (i, canvases) in self.outcome.canvases.iter().enumerate() {
            let panels = (0..shown).map(|n| self.own(&image(canvases, n), i, "")).collect::<data::Result<_>>()?;
            rows.push((&*names[i], panels));
        }
        let objects = (0..shown).map(|n| self.whole(&image(&self.outcome.objects, n), ""));
        rows.push(("together", objects.collect::<data::Result<_>>()?));
        let caption = "Each agent's whole canvas at the end, the part that goes into the object in its colour.";
        Ok(report.rows(&rows, caption))
    }

    fn film(&self, report: Report) -> data::Result<Report> {
        let Outcome { film, canvases, .. } = self.outcome;
        let names: Vec<String> = (1..=canvases.len()).map(|i| format!("agent {i}")).collect();
        let mut rows = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let panels = film.iter().map(|frame| self.own(&frame.states[i], i, "")).collect::<data::Result<_>>()?;
            rows.push((&**name, panels));
        }
        let object = |frame: &Frame| self.whole(&frame.object, &format!("t = {:.2}", frame.t));
        rows.push(("estimate", film.iter().map(object).collect::<data::Result<_>>()?));
        let caption = "The first sample on its way from noise: each agent's state, and the object that their clean \
                       estimates make, which is what the cost looks at.";
        Ok(report.rows(&rows, caption))
    }

    fn effort(&self, report: Report) -> Report {
        let effort = &self.outcome.effort;
        if effort.iter().all(|(_, all)| all.iter().all(|&effort| effort == 0.0)) {
            return report;
        }
        let line = |plot: Plot, i: usize| {
            plot.line(&format!("agent {}", i + 1), effort.iter().map(|(t, all)| (1.0 - t, all[i])))
        };
        let plot = (0..self.outcome.canvases.len()).fold(Plot::new("1 - t", "mean square of u"), line);
        report.plot(&plot, "How hard each agent is steered on the way from noise (left) to the digit (right).")
    }
}

fn colour(agent: usize) -> [u8; 3] {
    AGENTS[agent % AGENTS.len()]
}
