//! Named tensors, written as safetensors and `.npy` by the plainest code.

/// The tensors of a file, in the order of their bytes.
#[derive(Debug, Clone, Default)]
pub struct Tensors(pub Vec<(String, Vec<usize>, Numbers)>);

#[derive(Debug, Clone)]
pub enum Numbers {
    Floats(Vec<f64>),
    Integers(Vec<i64>),
}

impl Tensors {
    pub fn add(&mut self, name: impl Into<String>, shape: &[usize], numbers: &[f64]) {
        assert_eq!(shape.iter().product::<usize>(), numbers.len());
        self.0.push((name.into(), shape.to_vec(), Numbers::Floats(numbers.to_vec())));
    }

    pub fn count(&mut self, name: impl Into<String>, number: i64) {
        self.0.push((name.into(), vec![], Numbers::Integers(vec![number])));
    }

    /// The bytes of a safetensors file.
    pub fn safetensors(&self) -> Vec<u8> {
        let (mut data, mut entries) = (Vec::new(), Vec::new());
        for (name, shape, numbers) in &self.0 {
            let begin = data.len();
            let dtype = match numbers {
                Numbers::Floats(all) => {
                    all.iter().for_each(|number| data.extend_from_slice(&number.to_le_bytes()));
                    "F64"
                }
                Numbers::Integers(all) => {
                    all.iter().for_each(|number| data.extend_from_slice(&number.to_le_bytes()));
                    "I64"
                }
            };
            entries.push(format!(
                r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{}]}}"#,
                data.len()
            ));
        }
        let header = format!("{{{}}}", entries.join(","));
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend(data);
        bytes
    }
}
