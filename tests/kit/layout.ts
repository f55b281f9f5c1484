import type { ElectronApplication, Page } from '@playwright/test';

/** Gives the window's content this size and waits until the page has it. */
export async function resize(app: ElectronApplication, page: Page, width: number, height: number): Promise<void> {
  await app.evaluate(({ BrowserWindow }, [x, y]) => BrowserWindow.getAllWindows()[0]?.setContentSize(x, y), [width, height] as const);
  await page.waitForFunction(([x, y]) => innerWidth === x && innerHeight === y, [width, height] as const);
}

/**
 * Words that are in sight but cut: by an edge of something that neither scrolls nor shows an ellipsis, or by the
 * window's own edge.
 */
export async function cutWords(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found = new Set<string>();
    const slack = { across: 1.5, down: 3 };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    while (texts.nextNode()) {
      const node = texts.currentNode;
      const element = node.parentElement;
      const words = node.textContent?.trim().slice(0, 40);
      // What only screen readers get is cut on purpose; so are the last pixels of a chart's own texts.
      if (!words || !element || element.closest('[role="status"], .visually-hidden, script, style, title, svg')) continue;
      if (!element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
      range.selectNodeContents(node);
      const drawn = range.getBoundingClientRect();
      if (drawn.width < 1 || drawn.height < 1) continue;
      let [left, right, top, bottom] = [drawn.left, drawn.right, drawn.top, drawn.bottom];
      let hasEllipsis = false;
      let isCut = false;
      for (let around: Element | null = element; around && around !== document.body; around = around.parentElement) {
        const style = getComputedStyle(around);
        if (style.overflowX === 'visible' && style.overflowY === 'visible') continue;
        const box = around.getBoundingClientRect();
        const scrolls = { across: /auto|scroll/.test(style.overflowX), down: /auto|scroll/.test(style.overflowY) };
        hasEllipsis ||= style.textOverflow === 'ellipsis' || style.webkitLineClamp !== 'none';
        if (!scrolls.across && !hasEllipsis && (right > box.right + slack.across || left < box.left - slack.across)) isCut = true;
        if (!scrolls.down && !hasEllipsis && (bottom > box.bottom + slack.down || top < box.top - slack.down)) isCut = true;
        [left, right, top, bottom] = [Math.max(left, box.left), Math.min(right, box.right), Math.max(top, box.top), Math.min(bottom, box.bottom)];
        // Scrolled out of sight: cut by nothing.
        if ((scrolls.across || scrolls.down) && (left >= right || top >= bottom)) {
          isCut = false;
          [left, right] = [0, 0];
          break;
        }
      }
      if (isCut || right > innerWidth + slack.across || bottom > innerHeight + slack.down) found.add(words);
    }
    return [...found];
  });
}
