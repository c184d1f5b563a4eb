// The alarms, heard: a tone for each pattern that the pump's buzzer begins. Nothing sounds before somebody asked for it.
let context = null, plays = -1;

export function toggleSound() {
  if (context) {
    context.close();
    context = null;
    return false;
  }
  context = new AudioContext();
  tone(660, 0, 0.12);
  return true;
}

export function hear(now) {
  const began = plays >= 0 && now.plays !== plays;
  plays = now.plays;
  if (!context || !(began || now.sounds)) return;
  const critical = now.sounds === 2;
  if (!began && context.currentTime < hear.until) return;
  const beeps = critical ? 3 : 1;
  for (let at = 0; at < beeps; at += 1) tone(critical ? 988 : 587, at * 0.22, 0.16);
  hear.until = context.currentTime + 1;
}
hear.until = 0;

function tone(hertz, after, lasting) {
  const oscillator = context.createOscillator(), gain = context.createGain();
  const at = context.currentTime + after;
  oscillator.frequency.value = hertz;
  gain.gain.setValueAtTime(0.0001, at);
  gain.gain.exponentialRampToValueAtTime(0.15, at + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.0001, at + lasting);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(at);
  oscillator.stop(at + lasting + 0.05);
}
