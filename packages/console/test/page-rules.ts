/**
 * Rules of accessibility that a script can check. It runs inside the page and is therefore a text.
 *
 * Not here: what only a person can tell, such as whether the words make sense.
 */

/** An expression whose value is a list of everything that breaks a rule; empty is good. */
export const PAGE_RULES = String.raw`(() => {
  const faults = []
  const all = (selector) => [...document.querySelectorAll(selector)]
  const say = (rule, element) => faults.push(rule + ': ' + element.outerHTML.slice(0, 120))
  const isHidden = (element) =>
    !element.checkVisibility() || element.closest('.visually-hidden, [aria-hidden=true], .skip') !== null

  if (document.documentElement.lang === '') faults.push('no language')
  if (document.title === '') faults.push('no title')
  if (all('h1').length > 1) faults.push('more than one first heading')
  if (all('main').length !== 1) faults.push('not one main landmark')

  const ids = all('[id]').map((element) => element.id)
  for (const id of ids) if (ids.filter((other) => other === id).length > 1) faults.push('id twice: ' + id)

  for (const element of all('input:not([hidden]), textarea')) if (element.labels.length === 0) say('no label', element)
  for (const element of all('button, a')) if (element.textContent.trim() === '') say('no name', element)
  for (const element of all('svg')) {
    if (element.getAttribute('aria-hidden') !== 'true') say('drawing without a word', element)
  }
  for (const element of all('h2, h3, h4')) {
    const before = all('h1, h2, h3, h4').filter((other) => other.compareDocumentPosition(element) & 4).at(-1)
    const level = (heading) => Number(heading?.tagName[1] ?? 0)
    if (level(element) > level(before) + 1) say('heading skips a level', element)
  }
  for (const name of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for']) {
    for (const element of all('[' + name + ']')) {
      for (const id of element.getAttribute(name).split(' ')) {
        if (document.getElementById(id) === null) say(name + ' of nothing', element)
      }
    }
  }
  for (const element of all('[style], script:not([src]), style')) say('inline style or script', element)

  if (document.documentElement.scrollWidth > innerWidth) {
    faults.push('scrolls sideways: ' + document.documentElement.scrollWidth + ' of ' + innerWidth)
  }
  for (const element of all('button, a.button, summary, textarea, input:not([type=radio]), nav a')) {
    if (isHidden(element)) continue
    const { width, height } = element.getBoundingClientRect()
    // WCAG 2.2, 2.5.5: a finger needs 44 by 44.
    if (width < 44 || height < 44) say('small target ' + width + 'x' + height, element)
  }

  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const pixel = (colors) => {
    canvas.clearRect(0, 0, 1, 1)
    for (const color of colors) {
      canvas.fillStyle = color
      canvas.fillRect(0, 0, 1, 1)
    }
    return canvas.getImageData(0, 0, 1, 1).data
  }
  const luminance = ([red, green, blue]) => {
    const part = (value) => {
      const share = value / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    }
    return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue)
  }
  const layers = (element) => {
    const colors = []
    for (let at = element; at !== null; at = at.parentElement) colors.unshift(getComputedStyle(at).backgroundColor)
    return colors
  }
  for (const element of all('body *')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')
    if (!hasText || isHidden(element)) continue
    const style = getComputedStyle(element)
    const size = parseFloat(style.fontSize)
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5
    const behind = layers(element)
    const [dark, light] = [luminance(pixel(behind)), luminance(pixel([...behind, style.color]))].sort((a, b) => a - b)
    const contrast = (light + 0.05) / (dark + 0.05)
    if (contrast < needed) say('contrast ' + contrast.toFixed(2), element)
  }
  return faults
})()`
