// Where the computation stands: forwards through the record, then backwards as autograd walks it.

class Timeline {
  constructor(changed) {
    this.changed = changed;
    this.position = LAST;
    this.stops = [0, LAST]; // the positions at which something happens that the scene shows
    this.timer = null;
  }

  // Another scene shows other nodes; one that stands for several is complete with the last of them, backwards with the first.
  over(scene) {
    const firsts = new Set(scene.marks.map((mark) => mark.first));
    this.stops = [0];
    for (let position = 1; position <= LAST; position++) {
      const node = nodeAt(position);
      if (scene.ofNode.has(node) || (position > FORWARD && firsts.has(node))) this.stops.push(position);
    }
    if (this.stops[this.stops.length - 1] !== LAST) this.stops.push(LAST);
  }

  go(position) {
    const wanted = Math.max(0, Math.min(LAST, position));
    if (wanted !== this.position) {
      this.position = wanted;
      this.changed(wanted);
    }
  }

  // The number of a position among those of its pass at which the scene shows something, and how many these are.
  count(position) {
    const own = this.stops.filter((stop) => stop > 0 && stop <= FORWARD === position <= FORWARD);
    return `${own.filter((stop) => stop <= position).length} of ${own.length}`;
  }

  next() { this.go(this.stops.find((stop) => stop > this.position) ?? LAST); }

  back() { this.go(this.stops.findLast((stop) => stop < this.position) ?? 0); }

  // On (or back) until another time step, or another pass, begins.
  leap(way) {
    const where = (position) => `${position <= FORWARD} ${data.nodes[nodeAt(position)]?.step}`;
    const here = this.position;
    const ahead = way > 0 ? this.stops.filter((stop) => stop > here) : this.stops.filter((stop) => stop < here).reverse();
    const first = where(ahead[0] ?? here);
    const other = ahead.findIndex((stop) => where(stop) !== first);
    this.go(other < 0 ? (way > 0 ? LAST : 0) : ahead[other - 1]);
  }

  get playing() { return this.timer !== null; }

  play() {
    if (this.position >= LAST) this.go(0);
    const pause = Math.max(30, Math.min(350, 40000 / this.stops.length)); // all of it in less than 40 s
    this.timer = setInterval(() => {
      this.next();
      if (this.position >= LAST) this.pause();
    }, pause);
    this.changed(this.position);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.changed(this.position);
  }

  toggle() { this.playing ? this.pause() : this.play(); }
}
