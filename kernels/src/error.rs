//! What a kernel refuses. The tensor layer adds the op's context and the way out.

use crate::DType;

/// Why a kernel did not run. Kernels check what would make them unsound; the sentences for users are made above.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KernelError {
    /// Operands of sizes that do not belong together; `what` is the sentence, with the sizes.
    #[error("{op}: {what}")]
    Shape {
        /// The op.
        op: &'static str,
        /// What does not fit.
        what: String,
    },
    /// An element type the op does not take.
    #[error("{op}: got {got}, expected {want}")]
    DType {
        /// The op.
        op: &'static str,
        /// The dtype given.
        got: DType,
        /// The dtypes taken.
        want: &'static str,
    },
    /// Strides the kernel does not take; the tensor layer copies first.
    #[error("{op}: {what} must be {want}")]
    Order {
        /// The op.
        op: &'static str,
        /// The operand.
        what: &'static str,
        /// The storage order it must have.
        want: &'static str,
    },
    /// A buffer shorter than its layout says.
    #[error("{op}: a buffer of {got} elements is too small for a layout that reaches element {want}")]
    Buffer {
        /// The op.
        op: &'static str,
        /// Elements there.
        got: usize,
        /// Elements needed.
        want: usize,
    },
    /// A parameter outside its range.
    #[error("{op}: {what}")]
    Parameter {
        /// The op.
        op: &'static str,
        /// The sentence.
        what: String,
    },
    /// A device that is not there, or did not do what it was asked.
    #[error("{what}")]
    Device {
        /// The sentence.
        what: String,
    },
}
