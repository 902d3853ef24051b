// Zoom and pan: one transform of the whole drawing, written at most once per frame.  It is set on the box of the SVG, not
// inside: so that nothing in there is laid out anew.

class Camera {
  constructor(window, drawing, moved) {
    Object.assign(this, { window, drawing, moved, x: 0, y: 0, scale: 1, size: [1, 1], foot: 0, pending: false, flight: 0 });
    this.fingers = new Map();
    window.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    window.addEventListener("pointerdown", (event) => this.press(event));
    window.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) window.addEventListener(end, (event) => this.release(event));
    new ResizeObserver(() => this.resized()).observe(window);
    this.resized();
  }

  resized() {
    const place = this.window.getBoundingClientRect();
    const [width, height] = [place.width, place.height];
    if (width && this.width) this.x += (width - this.width) / 2;
    Object.assign(this, { left: place.left, top: place.top, width, height });
    this.write();
  }

  // Everything; or, if that is too small to be read, its beginning: the left end of what is long, the foot of what is high.
  fit(all = true) {
    const [width, height] = this.size;
    const room = [this.width - 24, this.height - this.foot - 24];
    const [across, down] = [room[0] / width, room[1] / height];
    const whole = Math.min(across, down, 2.5);
    this.scale = all || whole > 0.45 ? whole : Math.min(Math.max(across, down), 0.9);
    this.x = 12 + Math.max(0, (room[0] - width * this.scale) / 2);
    const spare = room[1] - height * this.scale;
    this.y = 12 + (spare > 0 ? spare / 2 : spare);
    this.write();
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(8, Math.max(0.02, this.scale * factor));
    this.x = x - (x - this.x) * (scale / this.scale);
    this.y = y - (y - this.y) * (scale / this.scale);
    this.scale = scale;
    this.write();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.write();
  }

  // Glide until a mark is well in sight.
  follow(mark) {
    const goal = [
      this.seen(mark.x, this.x, this.width, this.size[0]),
      this.seen(mark.y, this.y, this.height - this.foot, this.size[1])];
    if (goal[0] === this.x && goal[1] === this.y) return;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      [this.x, this.y] = goal;
      this.write();
      return;
    }
    const [x0, y0, start, flight] = [this.x, this.y, performance.now(), ++this.flight];
    const glide = (now) => {
      if (flight !== this.flight) return;
      const way = Math.min(1, Math.max(0, (now - start) / 260));
      const eased = 1 - (1 - way) ** 3;
      this.x = x0 + (goal[0] - x0) * eased;
      this.y = y0 + (goal[1] - y0) * eased;
      this.write();
      if (way < 1) requestAnimationFrame(glide);
    };
    requestAnimationFrame(glide);
  }

  // Where a drawing of some length must begin so that a point of it is in sight: as it is, or so that the point is in the middle.
  seen(point, begin, room, length) {
    const [at, end] = [point * this.scale + begin, length * this.scale + begin];
    if ((at > 50 && at < room - 50) || (begin >= 0 && end <= room)) return begin;
    const whole = length * this.scale;
    return whole > room - 24 ? Math.min(12, Math.max(room - 12 - whole, room / 2 - point * this.scale)) : (room - whole) / 2;
  }

  wheel(event) {
    event.preventDefault();
    this.flight++;
    if (event.shiftKey || (!event.ctrlKey && Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
      this.pan(-(event.deltaX || event.deltaY), 0);
    } else {
      const lines = event.deltaMode === 1 ? 16 : 1;
      this.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - this.left, event.clientY - this.top);
    }
  }

  press(event) {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    this.flight++;
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    this.dragged = 0;
  }

  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    this.dragged += Math.abs(dx) + Math.abs(dy);
    if (this.dragged > 4 && !this.window.hasPointerCapture(event.pointerId)) {
      this.window.setPointerCapture(event.pointerId);
      this.window.classList.add("dragging");
    }
    if (this.fingers.size === 2) this.pinch(event.pointerId, before, [event.clientX, event.clientY]);
    else if (this.dragged > 4) this.pan(dx, dy);
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  pinch(moving, before, after) {
    const [, [x, y]] = [...this.fingers].find(([id]) => id !== moving);
    const apart = ([x0, y0]) => Math.max(1, Math.hypot(x0 - x, y0 - y));
    this.zoom(apart(after) / apart(before), (after[0] + x) / 2 - this.left, (after[1] + y) / 2 - this.top);
  }

  release(event) {
    this.fingers.delete(event.pointerId);
    if (!this.fingers.size) this.window.classList.remove("dragging");
  }

  write() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.drawing.style.transform = `translate(${this.x.toFixed(2)}px, ${this.y.toFixed(2)}px) scale(${this.scale.toFixed(5)})`;
      this.window.classList.toggle("far", this.scale < 0.3);
      this.moved((0 - this.x) / this.scale, (this.width - this.x) / this.scale);
    });
  }
}
