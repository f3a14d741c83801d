// Package mutants proves the checker: bugs are planted in our own code and
// scripts, one at a time, and each has to be found.
//
// A mutant is a piece of text that is replaced in one file. The subject is built
// with that file in its place ("go build -overlay", which embedded scripts follow
// too), and sent through the scenario that was chosen for it. Nothing in the tree
// is touched. A mutant whose text is no longer there fails: it would plant
// nothing and prove nothing.
package mutants
