export { Tensor, loadAndCompile, loadLiteRt } from '@litertjs/core';
