// Package setting keeps the settings that change while the program runs: levels of the application log, and
// per external system where its exchange log goes, how much of a message it holds, and whether it is required.
//
// What the settings file says is in force until somebody changes it; a change is kept in the store, by who
// and when, and a change to null takes the file's value back. Every replica reads the store each second, so that a change
// is in force everywhere within two (design §4). The stored changes have a version; of two changes made from one version
// the second is refused and decided again.
//
// Changing is strict: an unknown system, component or word is refused and named. Applying is lenient: what this
// version of the program does not know is passed over, so that a newer version's change does not stop an older one.
package setting
