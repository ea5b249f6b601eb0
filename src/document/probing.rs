//! Linear probes of tokens against what is known of their pictures, and what is written of them.

use super::{DocumentError, Factor, FactorValues, MatrixSheet, csv_field, matrix_sheet};
use crate::analysis::{
    ClassProbes, Hits, NumberProbes, Split, TokenRows, Watch, probe_classes, probe_numbers,
};
use crate::picture;

/// What one factor's probes found.
#[derive(Debug, Clone, PartialEq)]
pub struct FactorProbes {
    /// Name of the factor.
    pub factor: String,
    /// By what it holds.
    pub probes: FoundProbes,
}

/// Probes of labels or of numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundProbes {
    /// Of labels.
    Labels {
        /// The labels.
        names: Vec<String>,
        /// How well they are told.
        probes: ClassProbes,
    },
    /// Of a number.
    Numbers(NumberProbes),
}

/// Factors that could be probed, and why others could not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProbeReport {
    /// One for each factor that was probed.
    pub found: Vec<FactorProbes>,
    /// In words, one for each of the others.
    pub left_out: Vec<String>,
}

impl ProbeReport {
    /// Probes every factor that has enough examples; `factors` hold one value for each of the rows. `None` when told to
    /// stop.
    pub fn new(tokens: TokenRows<'_>, factors: &[Factor], seed: u64, watch: Watch<'_>) -> Option<Self> {
        let mut report = Self::default();
        let all = factors.len().max(1) as f32;
        for (index, factor) in factors.iter().enumerate() {
            let share = |share: f32| (index as f32 + share) / all;
            let probed = probe_factor(tokens, factor, seed, &|done| watch(share(done)));
            if !watch(share(1.0)) {
                return None;
            }
            match probed {
                Ok(found) => report.found.push(found),
                Err(reason) => report
                    .left_out
                    .push(format!("{} is left out: {reason}", factor.name)),
            }
        }
        Some(report)
    }

    /// `probe.csv` and a heat map for each factor.
    ///
    /// # Errors
    /// A picture that cannot be written.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>, DocumentError> {
        let mut files = vec![("probe.csv".to_owned(), self.csv().into_bytes())];
        for found in &self.found {
            files.push((format!("{}.png", file_stem(&found.factor)), found.heat_map()?));
        }
        Ok(files)
    }

    /// Every probe: of all tokens and of each.
    pub fn csv(&self) -> String {
        let mut text = "factor,token,measure,value,low,high,chance,tested,validation,strength\n".to_owned();
        for found in &self.found {
            let factor = csv_field(&found.factor);
            match &found.probes {
                FoundProbes::Labels { probes, .. } => {
                    let chance = probes.chance.share;
                    for (name, probe) in named(&probes.all, &probes.tokens) {
                        let Hits {
                            share,
                            interval,
                            tested,
                            ..
                        } = probe.hits;
                        text.push_str(&format!(
                            "{factor},{name},accuracy,{share},{},{},{chance},{tested},{},{}\n",
                            interval.0, interval.1, probe.validation_share, probe.strength
                        ));
                    }
                }
                FoundProbes::Numbers(probes) => {
                    for (name, probe) in named(&probes.all, &probes.tokens) {
                        text.push_str(&format!(
                            "{factor},{name},r_squared,{},,,0,{},{},{}\n",
                            probe.r_squared, probe.tested, probe.validation_r_squared, probe.strength
                        ));
                    }
                }
            }
        }
        text
    }
}

fn probe_factor(
    tokens: TokenRows<'_>,
    factor: &Factor,
    seed: u64,
    watch: Watch<'_>,
) -> Result<FactorProbes, &'static str> {
    let probes = match &factor.values {
        FactorValues::Labels { names, .. } if names.len() < 2 => {
            return Err("all pictures have the same label");
        }
        FactorValues::Labels { names, of } => {
            let split = Split::stratified(of, seed);
            let probes = probe_classes(tokens, of, names.len(), &split, watch)
                .ok_or("too few pictures for training, validation and test")?;
            FoundProbes::Labels {
                names: names.clone(),
                probes,
            }
        }
        FactorValues::Numbers(numbers) => {
            let split = Split::stratified(&vec![0; numbers.len()], seed);
            let probes = probe_numbers(tokens, numbers, &split, watch)
                .ok_or("too few pictures or too few different numbers")?;
            FoundProbes::Numbers(probes)
        }
    };
    Ok(FactorProbes {
        factor: factor.name.clone(),
        probes,
    })
}

/// All tokens, then each.
fn named<'a, T>(all: &'a T, tokens: &'a [T]) -> impl Iterator<Item = (String, &'a T)> {
    let each = tokens
        .iter()
        .enumerate()
        .map(|(token, probe)| (token.to_string(), probe));
    std::iter::once(("all".to_owned(), all)).chain(each)
}

/// A factor's name as a file name.
fn file_stem(factor: &str) -> String {
    let plain = |character: char| {
        if character.is_alphanumeric() {
            character
        } else {
            '_'
        }
    };
    factor.chars().map(plain).collect()
}

/// What each token alone tells, by label.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenFigures {
    /// Labels, or the one name of a number.
    pub columns: Vec<String>,
    /// [L, columns]; not a number for a label that was not tested.
    pub values: Vec<f64>,
    /// Chance, and all there is to tell.
    pub range: (f64, f64),
    /// What the figures are.
    pub unit: &'static str,
}

impl FactorProbes {
    /// Tokens that were probed.
    pub fn token_count(&self) -> usize {
        match &self.probes {
            FoundProbes::Labels { probes, .. } => probes.tokens.len(),
            FoundProbes::Numbers(probes) => probes.tokens.len(),
        }
    }

    /// What token `token` alone tells: accuracy, or R^2.
    pub fn of_token(&self, token: usize) -> Option<f64> {
        match &self.probes {
            FoundProbes::Labels { probes, .. } => probes.tokens.get(token).map(|probe| probe.hits.share),
            FoundProbes::Numbers(probes) => probes.tokens.get(token).map(|probe| probe.r_squared),
        }
    }

    /// Token by label: area under the curve; of a number one column of R^2.
    pub fn token_figures(&self) -> TokenFigures {
        match &self.probes {
            FoundProbes::Labels { names, probes } => TokenFigures {
                columns: names.clone(),
                values: probes.areas.clone(),
                range: (0.5, 1.0),
                unit: "area under the ROC curve, one label against the others",
            },
            FoundProbes::Numbers(probes) => TokenFigures {
                columns: vec![self.factor.clone()],
                values: probes.tokens.iter().map(|probe| probe.r_squared).collect(),
                range: (0.0, 1.0),
                unit: "R squared",
            },
        }
    }

    /// [`FactorProbes::token_figures`] as a PNG.
    ///
    /// # Errors
    /// The built-in font cannot be read.
    pub fn heat_map(&self) -> Result<Vec<u8>, DocumentError> {
        let figures = self.token_figures();
        let tokens: Vec<String> = (0..self.token_count()).map(|token| token.to_string()).collect();
        let sheet = matrix_sheet(&MatrixSheet {
            title: &format!("{}: what each token alone tells", self.factor),
            rows: &tokens,
            columns: &figures.columns,
            values: &figures.values,
            range: figures.range,
            unit: figures.unit,
        })?;
        Ok(picture::to_png(&sheet, &[])?)
    }

    /// Columns of [`FactorProbes::row`].
    pub const COLUMNS: [&str; 7] = [
        "factor",
        "measure",
        "all tokens",
        "95 % interval",
        "chance",
        "best token",
        "tested",
    ];

    /// The figures in a line of a table.
    pub fn row(&self) -> Vec<String> {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let best = (0..self.token_count())
            .filter_map(|token| Some((token, self.of_token(token)?)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        let cells = match &self.probes {
            FoundProbes::Labels { probes, .. } => {
                let hits = probes.all.hits;
                [
                    "accuracy".to_owned(),
                    percent(hits.share),
                    format!("{} to {}", percent(hits.interval.0), percent(hits.interval.1)),
                    percent(probes.chance.share),
                    best.map_or_else(String::new, |(token, share)| {
                        format!("{token}: {}", percent(share))
                    }),
                    hits.tested.to_string(),
                ]
            }
            FoundProbes::Numbers(probes) => [
                "R^2".to_owned(),
                format!("{:.3}", probes.all.r_squared),
                String::new(),
                "0".to_owned(),
                best.map_or_else(String::new, |(token, share)| format!("{token}: {share:.3}")),
                probes.all.tested.to_string(),
            ],
        };
        std::iter::once(self.factor.clone()).chain(cells).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 60 pictures of 2 tokens of 2 values: the second token knows the label.
    fn pictures() -> (Vec<Vec<f32>>, Vec<Factor>) {
        let noise = |index: usize| ((index * 7919) % 2003) as f32 / 8012.0;
        let row = |index: usize| {
            let mut row: Vec<f32> = (0..4).map(|place| noise(4 * index + place)).collect();
            row[2] += (index % 2) as f32;
            row
        };
        let texts: Vec<String> = (0..60).map(|index| ["a", "b"][index % 2].to_owned()).collect();
        let same = vec!["x".to_owned(); 60];
        let factors = vec![
            Factor::of_texts("kind, of", &texts),
            Factor::of_texts("same", &same),
        ];
        ((0..60).map(row).collect(), factors)
    }

    #[test]
    fn every_factor_is_probed_or_said_to_be_left_out() {
        let (rows, factors) = pictures();
        let tokens = TokenRows {
            rows: &rows,
            count: 2,
            dim: 2,
        };
        let report = ProbeReport::new(tokens, &factors, 0, &|_| true).unwrap();
        assert_eq!(
            report.left_out,
            ["same is left out: all pictures have the same label"]
        );
        let found = &report.found[0];
        assert_eq!((found.token_count(), found.of_token(1)), (2, Some(1.0)));
        assert_eq!(found.row()[5], "1: 100.0 %");
        let csv = report.csv();
        assert_eq!(csv.lines().count(), 4);
        assert!(
            csv.lines()
                .nth(1)
                .is_some_and(|line| line.starts_with("\"kind, of\",all,accuracy,1,"))
        );
        let names: Vec<String> = report
            .files()
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["probe.csv", "kind__of.png"]);
        assert!(ProbeReport::new(tokens, &factors, 0, &|share| share < 0.3).is_none());
    }
}
